// SPDX-License-Identifier: MIT

package pebbledb

import (
	"io"
	"strings"
	"testing"
	"time"

	"posthouse/mail"
	"posthouse/queue"

	"github.com/cockroachdb/pebble/v2/vfs"
)

func open(t testing.TB, fs vfs.FS, change func(*Options)) *Store {
	t.Helper()
	o := Options{FS: fs, Threshold: 1000, Ballast: -1}
	if change != nil {
		change(&o)
	}
	s, err := Open("/q", o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func entry(t testing.TB, s *Store, size int, n int) queue.Entry {
	t.Helper()
	now := time.Now()
	d, err := s.Create()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(d, strings.Repeat("x", size)); err != nil {
		t.Fatal(err)
	}
	e := queue.Entry{Envelope: &mail.Envelope{ID: mail.NewID(now), From: path(t, "<a@example.test>"), Arrived: now}, Message: &mail.Message{Body: d}}
	e.Message.Header.Append(mail.NewField("Subject", "hello"))
	for i := range n {
		to := path(t, "<b@example.test>")
		e.Envelope.Recipients = append(e.Envelope.Recipients, mail.Recipient{To: to, Given: to})
		e.Rows = append(e.Rows, queue.Row{ID: e.Envelope.ID, N: i, Destination: "example.test", Due: now})
	}
	return e
}

func TestStoreKeepsAndForgets(t *testing.T) {
	t.Parallel()
	for _, size := range []int{0, 10, 1000, 1001, 5000} {
		fs := vfs.NewMem()
		s := open(t, fs, nil)
		e := entry(t, s, size, 2)
		if err := s.Apply(t.Context(), queue.Change{Add: []queue.Entry{e}}); err != nil {
			t.Fatal(err)
		}
		_, m, err := s.Load(t.Context(), e.Envelope.ID)
		if err != nil {
			t.Fatal(err)
		}
		r, err := m.Open()
		if err != nil {
			t.Fatal(err)
		}
		text, _ := io.ReadAll(r)
		r.Close()
		if want := "Subject: hello\r\n\r\n" + strings.Repeat("x", size); string(text) != want {
			t.Errorf("size %d: got %d octets %.80q", size, len(text), text)
		}
		if err := s.Apply(t.Context(), queue.Change{Done: e.Rows, Lazy: true}); err != nil {
			t.Fatal(err)
		}
		if _, _, err := s.Load(t.Context(), e.Envelope.ID); err == nil {
			t.Error("the message is still there")
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		if left, _ := fs.List("/q/bodies"); len(left) > 0 {
			t.Errorf("size %d: bodies left: %v", size, left)
		}
	}
}
