// SPDX-License-Identifier: MIT

// Package queuetest is what a queue.Store must do, as tests that any implementation can run: Run for what calls return,
// PowerLoss for what is left when the power fails between any two writes to the disk.
package queuetest

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"posthouse/mail"
	"posthouse/queue"
)

// Disk is where a Store under test lives. It outlives the stores that are opened on it.
type Disk interface {
	Open() (queue.Store, error)
}

// Large is more octets than a Store under test may keep beside its records: bodies of that size take its other way.
const Large = 4000

// Run checks one store after the other on disks of their own.
func Run(t *testing.T, disk func(t *testing.T) Disk) {
	tests := []struct {
		name string
		run  func(*bench)
	}{
		{"a message comes back whole", comesBackWhole},
		{"a foreign body is copied", foreignBody},
		{"a draft is adopted once", adoptedOnce},
		{"a discarded draft cannot be added", discarded},
		{"a body can be open twice", openTwice},
		{"due rows come oldest first", oldestFirst},
		{"held rows are not due", heldIsNotDue},
		{"destinations come once with their earliest time", destinationsOnce},
		{"rows come by message and recipient", rowsInOrder},
		{"the last row takes the message along", lastRow},
		{"a row that is gone stays gone", goneStaysGone},
		{"a change is whole", wholeChange},
		{"a lazy change cannot add", lazyAdd},
		{"a message needs a recipient", noRecipient},
		{"all is there after opening again", reopened},
		{"an ended context changes nothing", endedContext},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			b := &bench{T: t, disk: disk(t)}
			b.open()
			tt.run(b)
			b.close()
		})
	}
}

// bench is one store in one test.
type bench struct {
	*testing.T
	disk  Disk
	store queue.Store
}

func (b *bench) open() {
	b.Helper()
	s, err := b.disk.Open()
	if err != nil {
		b.Fatal(err)
	}
	b.store = s
}

func (b *bench) close() {
	b.Helper()
	if err := b.store.Close(); err != nil {
		b.Fatal(err)
	}
}

func (b *bench) apply(c queue.Change) {
	b.Helper()
	if err := b.store.Apply(b.Context(), c); err != nil {
		b.Fatal(err)
	}
}

// refuse expects that the change fails and changes nothing.
func (b *bench) refuse(c queue.Change) {
	b.Helper()
	before := b.rows("")
	if err := b.store.Apply(b.Context(), c); err == nil {
		b.Error("applied")
	}
	if after := b.rows(""); len(after) != len(before) {
		b.Errorf("had %d rows, has %d", len(before), len(after))
	}
}

func (b *bench) rows(from mail.ID) (list []queue.Row) {
	b.Helper()
	for r, err := range b.store.Rows(b.Context(), from) {
		if err != nil {
			b.Fatal(err)
		}
		list = append(list, r)
	}
	return list
}

func (b *bench) due(destination string, by time.Time, n int) []queue.Row {
	b.Helper()
	rows, err := b.store.Due(b.Context(), destination, by, n)
	if err != nil {
		b.Fatal(err)
	}
	return rows
}

func (b *bench) draft(text string) mail.Draft {
	b.Helper()
	d, err := b.store.Create()
	if err != nil {
		b.Fatal(err)
	}
	for _, part := range []string{text[:len(text)/3], text[len(text)/3:]} {
		if _, err := io.WriteString(d, part); err != nil {
			b.Fatal(err)
		}
	}
	return d
}

// start is when time begins in these tests.
var start = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// text is a body of that size that no other message has.
func text(id mail.ID, size int) string {
	line := string(id) + " says that lines end in CRLF\r\n"
	return strings.Repeat(line, size/len(line)+1)[:size]
}

// entry is a message with a row for each destination, due in as many seconds.
func entry(id mail.ID, body mail.Body, destinations ...string) queue.Entry {
	e := queue.Entry{
		Envelope: &mail.Envelope{ID: id, From: path("sender@from.test"), Arrived: start, Size: body.Size()},
		Message:  &mail.Message{Body: body},
	}
	e.Message.Header.Append(mail.NewField("Subject", "message "+string(id)))
	for i, d := range destinations {
		to := path(fmt.Sprintf("user%d@%s", i, d))
		e.Envelope.Recipients = append(e.Envelope.Recipients, mail.Recipient{To: to, Given: to})
		e.Rows = append(e.Rows, queue.Row{ID: id, N: i, Destination: d, Due: start.Add(time.Duration(i) * time.Second)})
	}
	return e
}

func path(s string) mail.Path {
	p, err := mail.ParsePath("<"+s+">", false)
	if err != nil {
		panic(err) // the tests' own addresses
	}
	return p
}

// newID is later than those of smaller numbers, and the same each time.
func newID(n int) mail.ID { return mail.ID(fmt.Sprintf("%020d", n)) }

// read reads a body to its end.
func read(b mail.Body) ([]byte, error) {
	r, err := b.Open()
	if err != nil {
		return nil, err
	}
	defer r.Close()
	return io.ReadAll(r)
}

// whole checks that a message is what was sent.
func whole(ctx context.Context, s queue.Store, e *queue.Entry, want string) error {
	env, msg, err := s.Load(ctx, e.Envelope.ID)
	if err != nil {
		return err
	}
	if len(env.Recipients) != len(e.Envelope.Recipients) || env.From != e.Envelope.From {
		return fmt.Errorf("envelope of %s is %+v", env.ID, env)
	}
	if got := msg.Header.String(); got != e.Message.Header.String() {
		return fmt.Errorf("header of %s is %q", env.ID, got)
	}
	got, err := read(msg.Body)
	if err != nil {
		return fmt.Errorf("body of %s: %w", env.ID, err)
	}
	if !bytes.Equal(got, []byte(want)) || msg.Body.Size() != int64(len(want)) {
		return fmt.Errorf("body of %s has %d octets of %d, or others", env.ID, len(got), len(want))
	}
	return nil
}
