// SPDX-License-Identifier: MIT

package admin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func quiet() *slog.Logger { return slog.New(slog.NewTextHandler(io.Discard, nil)) }

func echo(_ context.Context, args json.RawMessage, reply func(any) error) error {
	return reply(json.RawMessage(args))
}

// control serves verbs at a socket of its own and returns its path.
func control(t *testing.T, verbs map[string]Handler) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "c.sock")
	c, err := ListenControl(path, verbs, quiet())
	if err != nil {
		t.Fatal(err)
	}
	stop, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- c.Serve(stop, stop) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("socket left behind: %v", err)
		}
	})
	return path
}

func TestCallStreamsAnswersAndCarriesErrors(t *testing.T) {
	t.Parallel()
	path := control(t, map[string]Handler{
		"echo": echo,
		"count": func(_ context.Context, args json.RawMessage, reply func(any) error) error {
			var n int
			if err := json.Unmarshal(args, &n); err != nil {
				return err
			}
			for i := range n {
				if err := reply(i); err != nil {
					return err
				}
			}
			return nil
		},
		"half": func(_ context.Context, _ json.RawMessage, reply func(any) error) error {
			_ = reply(1)
			return errors.New("disk full")
		},
		"panic": func(context.Context, json.RawMessage, func(any) error) error { panic("oops") },
	})
	for _, c := range []struct {
		verb string
		args any
		want []string
		err  string
	}{
		{"echo", map[string]string{"to": "a@b.test\n"}, []string{`{"to":"a@b.test\n"}`}, ""},
		{"count", 3, []string{"0", "1", "2"}, ""},
		{"count", 0, nil, ""},
		{"half", nil, []string{"1"}, "disk full"},
		{"panic", nil, nil, "panic failed inside the service, see its log"},
		{"nothing", nil, nil, `this service does not know "nothing"`},
		{"echo", strings.Repeat("x", requestBytes), nil, fmt.Sprintf("echo: request of %d bytes is too long", requestBytes+len(`{"verb":"echo","args":""}`))},
	} {
		var got []string
		err := Call(t.Context(), path, c.verb, c.args, func(m json.RawMessage) error { got = append(got, string(m)); return nil })
		if !slices.Equal(got, c.want) || (err == nil) != (c.err == "") || err != nil && err.Error() != c.err {
			t.Errorf("%s: %q, %v", c.verb, got, err)
		}
	}
}

func TestHandlerEndsWhenTheClientLeaves(t *testing.T) {
	t.Parallel()
	began, ended := make(chan struct{}), make(chan struct{})
	path := control(t, map[string]Handler{"wait": func(ctx context.Context, _ json.RawMessage, _ func(any) error) error {
		close(began)
		<-ctx.Done()
		close(ended)
		return ctx.Err()
	}})
	ctx, cancel := context.WithCancel(t.Context())
	go func() { <-began; cancel() }()
	if err := Call(ctx, path, "wait", nil, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	<-ended
}

func TestSocketIsMadeForItsOwnerOnly(t *testing.T) {
	t.Parallel()
	path := control(t, nil)
	info, err := os.Lstat(path)
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode() != fs.ModeSocket|0o600 {
		t.Errorf("mode %v", info.Mode())
	}
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil || len(entries) != 1 {
		t.Errorf("left behind: %v, %v", entries, err)
	}
}

func TestWhatIsAtThePathAlready(t *testing.T) {
	t.Parallel()
	t.Run("a live one", func(t *testing.T) {
		t.Parallel()
		path := control(t, map[string]Handler{"echo": echo})
		if _, err := ListenControl(path, nil, quiet()); !errors.Is(err, ErrInUse) {
			t.Errorf("got %v", err)
		}
		if err := Call(t.Context(), path, "echo", 1, nil); err != nil {
			t.Errorf("the live one suffered: %v", err)
		}
	})
	t.Run("one of a dead process", func(t *testing.T) {
		t.Parallel()
		path := filepath.Join(t.TempDir(), "c.sock")
		dead, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
		if err != nil {
			t.Fatal(err)
		}
		dead.SetUnlinkOnClose(false)
		dead.Close()
		if err := Call(t.Context(), path, "echo", nil, nil); !errors.Is(err, ErrNotRunning) {
			t.Errorf("call: %v", err)
		}
		c, err := ListenControl(path, nil, quiet())
		if err != nil {
			t.Fatal(err)
		}
		c.Close()
	})
	t.Run("a file", func(t *testing.T) {
		t.Parallel()
		path := filepath.Join(t.TempDir(), "c.sock")
		if err := os.WriteFile(path, []byte("precious"), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := ListenControl(path, nil, quiet()); err == nil {
			t.Error("replaced a file")
		}
		if b, err := os.ReadFile(path); err != nil || string(b) != "precious" {
			t.Errorf("%q, %v", b, err)
		}
	})
	t.Run("nothing", func(t *testing.T) {
		t.Parallel()
		path := filepath.Join(t.TempDir(), "c.sock")
		if err := Call(t.Context(), path, "echo", nil, nil); !errors.Is(err, ErrNotRunning) {
			t.Errorf("call: %v", err)
		}
	})
	t.Run("too long a path", func(t *testing.T) {
		t.Parallel()
		_, err := ListenControl("/tmp/"+strings.Repeat("x", 120), nil, quiet())
		if err == nil || !strings.Contains(err.Error(), "choose a shorter data_dir") {
			t.Errorf("got %v", err)
		}
	})
}

func TestRemovingLeavesASuccessorAlone(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "c.sock")
	old, err := ListenControl(path, nil, quiet())
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	next, err := ListenControl(path, nil, quiet())
	if err != nil {
		t.Fatal(err)
	}
	defer next.Close()
	old.Close()
	if _, err := os.Lstat(path); err != nil {
		t.Error(err)
	}
}
