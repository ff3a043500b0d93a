// SPDX-License-Identifier: MIT

package pebbledb

import (
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"posthouse/mail"
	"posthouse/queue"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// testdata/format1 is a store as the first release wrote it: two messages, one with its body in a file, one held. Every
// later release must read it as it stands. PEBBLEDB_GOLDEN=1 makes it anew if it is not there.
const golden = "testdata/format1"

func goldenEntry(s *Store, id mail.ID, size int, held bool) (queue.Entry, error) {
	d, err := s.Create()
	if err != nil {
		return queue.Entry{}, err
	}
	_, err = io.WriteString(d, strings.Repeat("x", size))
	to, _ := mail.ParsePath("<b@example.test>", false)
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	e := queue.Entry{
		Envelope: &mail.Envelope{ID: id, From: to, Arrived: at, Recipients: []mail.Recipient{{To: to, Given: to}, {To: to, Given: to}}},
		Message:  &mail.Message{Body: d},
		Rows:     []queue.Row{{ID: id, Destination: "example.test", Due: at, Held: held}, {ID: id, N: 1, Destination: "example.test", Due: at}},
	}
	e.Message.Header.Append(mail.NewField("Subject", "golden"))
	return e, err
}

func makeGolden(t *testing.T) {
	s, err := Open(golden, Options{Threshold: 1000, Ballast: -1})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for i, id := range []mail.ID{"251248rqv2hqhp9ncrxh", "251248stdnkk6ld9hsgw"} {
		e, err := goldenEntry(s, id, 10+2000*i, i == 1)
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Apply(t.Context(), queue.Change{Add: []queue.Entry{e}}); err != nil {
			t.Fatal(err)
		}
		if err := s.Apply(t.Context(), queue.Change{Done: e.Rows[1:]}); err != nil {
			t.Fatal(err)
		}
		if i > 0 {
			continue // stays in the log, the first is in a table
		}
		if err := s.db.Flush(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestGoldenStoreIsRead(t *testing.T) {
	t.Parallel()
	if _, err := os.Stat(golden); err != nil && os.Getenv("PEBBLEDB_GOLDEN") != "" {
		makeGolden(t)
	}
	fs := vfs.NewMem()
	if ok, err := vfs.Clone(vfs.Default, fs, filepath.FromSlash(golden), "/q"); err != nil || !ok {
		t.Fatal("copy the golden store: ", err)
	}
	s := open(t, fs, nil)
	var rows []queue.Row
	for r, err := range s.Rows(t.Context(), "") {
		if err != nil {
			t.Fatal(err)
		}
		rows = append(rows, r)
	}
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	want := []queue.Row{
		{ID: "251248rqv2hqhp9ncrxh", Destination: "example.test", Due: at},
		{ID: "251248stdnkk6ld9hsgw", Destination: "example.test", Due: at, Held: true},
	}
	if !slices.Equal(rows, want) {
		t.Errorf("got %+v", rows)
	}
	for i, r := range rows {
		env, m, err := s.Load(t.Context(), r.ID)
		if err != nil {
			t.Fatal(err)
		}
		body, err := m.Body.Open()
		if err != nil {
			t.Fatal(err)
		}
		text, _ := io.ReadAll(body)
		body.Close()
		if len(text) != 10+2000*i || len(env.Recipients) != 2 || !env.Arrived.Equal(at) || m.Header.Get("Subject") != "golden" {
			t.Errorf("got %d octets, %+v", len(text), env)
		}
	}
}
