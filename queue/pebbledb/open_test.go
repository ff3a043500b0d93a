// SPDX-License-Identifier: MIT

package pebbledb

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"posthouse/queue"
	"posthouse/reply"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
)

func TestSecondOpenIsRefusedWithThePid(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "queue")
	s, err := Open(dir, Options{Ballast: -1})
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range []Options{{}, {ReadOnly: true}} {
		_, err = Open(dir, o)
		if !errors.Is(err, ErrLocked) || !strings.Contains(err.Error(), fmt.Sprint(os.Getpid())) || !strings.Contains(err.Error(), dir) {
			t.Errorf("got %v", err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if s, err = Open(dir, Options{Ballast: -1}); err != nil {
		t.Fatal(err)
	}
	s.Close()
}

// holdEnv makes this test binary a second process that opens a store and says what it got.
const holdEnv = "PEBBLEDB_TEST_OPEN"

func TestMain(m *testing.M) {
	if dir := os.Getenv(holdEnv); dir != "" {
		_, err := Open(dir, Options{Ballast: -1})
		fmt.Println(errors.Is(err, ErrLocked), err)
		return
	}
	os.Exit(m.Run())
}

func TestSecondProcessIsRefused(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "queue")
	s, err := Open(dir, Options{Ballast: -1})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), holdEnv+"="+dir)
	out, err := cmd.CombinedOutput()
	if want := fmt.Sprintf("pid %d", os.Getpid()); err != nil || !strings.HasPrefix(string(out), "true") || !strings.Contains(string(out), want) {
		t.Errorf("the second process got %q, %v", out, err)
	}
}

func TestNewerFormatIsRefused(t *testing.T) {
	t.Parallel()
	fs := vfs.NewMem()
	s := open(t, fs, nil)
	if err := s.db.Set(formatKey(), []byte("2"), pebble.Sync); err != nil {
		t.Fatal(err)
	}
	s.Close()
	if _, err := Open("/q", Options{FS: fs}); !errors.Is(err, ErrNewer) {
		t.Errorf("got %v", err)
	}
	// The refusal lets the lock go and changes nothing.
	if _, err := Open("/q", Options{FS: fs, ReadOnly: true}); !errors.Is(err, ErrNewer) {
		t.Errorf("got %v", err)
	}
}

func quiet() pebble.Logger {
	f := &failure{}
	f.init(slog.New(slog.DiscardHandler))
	return f
}

func TestForeignRecordsAreRefused(t *testing.T) {
	t.Parallel()
	fs := vfs.NewMem()
	if err := fs.MkdirAll("/q/records", 0o700); err != nil {
		t.Fatal(err)
	}
	db, err := pebble.Open("/q/records", &pebble.Options{FS: fs, Logger: quiet(), FormatMajorVersion: pebbleFormat})
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(db.Set([]byte("x"), nil, pebble.Sync), db.Close()); err != nil {
		t.Fatal(err)
	}
	if _, err := Open("/q", Options{FS: fs}); !errors.Is(err, errDamaged) {
		t.Errorf("got %v", err)
	}
}

func TestUpgradeAloneRaisesTheFormat(t *testing.T) {
	t.Parallel()
	fs := vfs.NewMem()
	s := open(t, fs, nil)
	s.Close()
	// As an earlier release would have made it.
	if err := fs.RemoveAll("/q/records"); err != nil {
		t.Fatal(err)
	}
	if err := fs.MkdirAll("/q/records", 0o700); err != nil {
		t.Fatal(err)
	}
	const earlier = pebble.FormatColumnarBlocks
	db, err := pebble.Open("/q/records", &pebble.Options{FS: fs, Logger: quiet(), FormatMajorVersion: earlier})
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(db.Set(formatKey(), []byte("1"), pebble.Sync), db.Close()); err != nil {
		t.Fatal(err)
	}
	s = open(t, fs, nil)
	if _, files := s.Format(); files != int(earlier) {
		t.Errorf("opening has raised the format to %d", files)
	}
	if err := s.Upgrade(); err != nil {
		t.Fatal(err)
	}
	if _, files := s.Format(); files != int(pebbleFormatNewest) {
		t.Errorf("the format is %d", files)
	}
}

func TestReadOnly(t *testing.T) {
	t.Parallel()
	fs := vfs.NewMem()
	s := open(t, fs, nil)
	e := entry(t, s, 3000, 1)
	if err := s.Apply(t.Context(), queue.Change{Add: []queue.Entry{e}}); err != nil {
		t.Fatal(err)
	}
	s.Close()
	s = open(t, fs, func(o *Options) { o.ReadOnly = true })
	if _, m, err := s.Load(t.Context(), e.Envelope.ID); err != nil || m.Body.Size() != 3000 {
		t.Errorf("got %v", err)
	}
	if err := s.Apply(t.Context(), queue.Change{Done: e.Rows}); !errors.Is(err, errReadOnly) {
		t.Errorf("a change gives %v", err)
	}
	if _, err := s.Create(); !errors.Is(err, errReadOnly) {
		t.Errorf("a draft gives %v", err)
	}
	s.Close()
	if _, err := Open("/none", Options{FS: fs, ReadOnly: true}); err == nil {
		t.Error("a store that is not there was opened")
	}
}

func TestSweepRemovesWhatNoRecordNames(t *testing.T) {
	t.Parallel()
	fs := vfs.NewMem()
	s := open(t, fs, nil)
	kept := entry(t, s, 3000, 1)
	if err := s.Apply(t.Context(), queue.Change{Add: []queue.Entry{kept}}); err != nil {
		t.Fatal(err)
	}
	entry(t, s, 3000, 1) // a draft that nobody ends
	other, err := fs.Create("/q/bodies/README", vfs.WriteCategoryUnspecified)
	if err != nil {
		t.Fatal(err)
	}
	other.Close()
	s.Close()
	s = open(t, fs, nil)
	if names, _ := fs.List("/q/bodies"); len(names) != 2 {
		t.Errorf("left: %v", names)
	}
	if _, m, err := s.Load(t.Context(), kept.Envelope.ID); err != nil {
		t.Error(err)
	} else if r, err := m.Body.Open(); err != nil {
		t.Error(err)
	} else {
		r.Close()
	}
}

// A body's file outlives its record until the batch is surely on disk.
func TestBodiesAreUnlinkedLate(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		fs := vfs.NewMem()
		s := open(t, fs, nil)
		defer s.Close()
		e := entry(t, s, 3000, 1)
		if err := s.Apply(t.Context(), queue.Change{Add: []queue.Entry{e}}); err != nil {
			t.Fatal(err)
		}
		if err := s.Apply(t.Context(), queue.Change{Done: e.Rows, Lazy: true}); err != nil {
			t.Fatal(err)
		}
		if names, _ := fs.List("/q/bodies"); len(names) != 1 {
			t.Errorf("at once there is %v", names)
		}
		time.Sleep(time.Second)
		synctest.Wait()
		if names, _ := fs.List("/q/bodies"); len(names) != 0 {
			t.Errorf("after a second there is %v", names)
		}
	})
}

// Lazy is durable within a second, with nobody's help.
func TestLazyChangesBecomeDurable(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		fs := vfs.NewCrashableMem()
		s := open(t, fs, nil)
		defer s.Close()
		e := entry(t, s, 10, 1)
		if err := s.Apply(t.Context(), queue.Change{Add: []queue.Entry{e}}); err != nil {
			t.Fatal(err)
		}
		if err := s.Apply(t.Context(), queue.Change{Done: e.Rows, Lazy: true}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		synctest.Wait()
		again := open(t, fs.CrashClone(vfs.CrashCloneCfg{}), nil)
		defer again.Close()
		if _, _, err := again.Load(t.Context(), e.Envelope.ID); !errors.Is(err, queue.ErrNotFound) {
			t.Errorf("after the power loss: %v", err)
		}
	})
}

func TestFreeCountsOpenDrafts(t *testing.T) {
	t.Parallel()
	left := Usage{Bytes: 1000, Inodes: -1}
	s := open(t, vfs.NewMem(), func(o *Options) {
		o.MinFree, o.MessageLimit = 500, 300
		o.Usage = func(string) (Usage, error) { return left, nil }
	})
	full := func(want bool, size int64) {
		t.Helper()
		if err := s.Free(size); (err != nil) != want || want && reply.For(err).Code != 452 {
			t.Errorf("got %v", err)
		}
	}
	full(false, 0)
	full(false, 500)
	full(true, 501)
	one, _ := s.Create()
	full(false, 200)
	full(true, 201)
	two, _ := s.Create()
	full(true, 0)
	if _, err := one.Write(make([]byte, 100)); err != nil {
		t.Fatal(err)
	}
	full(false, 0)
	one.Discard()
	two.Discard()
	full(false, 500)
	left.Inodes = 5
	full(true, 0)
}

func TestBallastIsGivenUpWhenTheDiskIsFull(t *testing.T) {
	t.Parallel()
	fs := vfs.NewMem()
	var left atomic.Int64
	left.Store(1 << 40)
	o := func(o *Options) {
		o.Ballast = 1 << 20
		o.Usage = func(string) (Usage, error) { return Usage{Bytes: left.Load(), Inodes: -1}, nil }
	}
	exists := func(want bool) {
		t.Helper()
		if _, err := fs.Stat("/q/ballast"); (err == nil) != want {
			t.Errorf("ballast: %v", err)
		}
	}
	open(t, fs, o).Close()
	exists(true)
	left.Store(0)
	s := open(t, fs, o)
	exists(false)
	if err := s.Free(0); reply.For(err).Code != 452 {
		t.Errorf("got %v", err)
	}
	s.Close()
	left.Store(1 << 40)
	open(t, fs, o).Close()
	exists(true)
}
