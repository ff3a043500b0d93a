// SPDX-License-Identifier: MIT

package daemon

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func TestRaiseFileLimit(t *testing.T) {
	t.Parallel()
	refused := errors.New("refused")
	for _, c := range []struct {
		name       string
		soft, hard uint64
		set        error
		want       uint64
		err        error
	}{
		{"raised", 1024, 524288, nil, 524288, nil},
		{"at the top", 4096, 4096, refused, 4096, nil},
		{"refused", 1024, 524288, refused, 1024, refused},
	} {
		r := rlimit{
			get: func(l *unix.Rlimit) error { l.Cur, l.Max = c.soft, c.hard; return nil },
			set: func(*unix.Rlimit) error { return c.set },
		}
		got, err := r.raise()
		if got != c.want || !errors.Is(err, c.err) {
			t.Errorf("%s: %d, %v", c.name, got, err)
		}
	}
}

func TestLoggerFormats(t *testing.T) {
	t.Parallel()
	var buf bytes.Buffer
	Logger(&buf, "smtp-in").Info("hello", "from", "a\nforged=1")
	if s := buf.String(); !strings.HasPrefix(s, "{") || !strings.Contains(s, `"service":"smtp-in"`) || strings.Count(s, "\n") != 1 {
		t.Errorf("not one line of JSON: %q", s)
	}
	buf.Reset()
	newLogger(&buf, "", true).Info("hello", "from", "a\nforged=1")
	if s := buf.String(); !strings.Contains(s, `msg=hello from="a\nforged=1"`) || strings.Count(s, "\n") != 1 || strings.Contains(s, "service") {
		t.Errorf("not one line of text: %q", s)
	}
}
