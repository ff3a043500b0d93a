// SPDX-License-Identifier: MIT

package delivery

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"
	"sync"
	"time"

	"posthouse/mail"
	"posthouse/queue"
)

// memory is a queue.Store without a disk, and a count of the rows that were written.
type memory struct {
	mu      sync.Mutex
	mails   map[mail.ID]queue.Entry
	rows    map[rowKey]queue.Row
	damaged map[mail.ID]error // why the message cannot be read
	lost    map[mail.ID]error // why its envelope cannot, either

	written int   // rows put
	broken  error // Apply's answer
	unread  error // Due's answer
}

type rowKey struct {
	id mail.ID
	n  int
}

var errDamaged = fmt.Errorf("bad: %w", queue.ErrDamaged)

func newMemory() *memory {
	return &memory{
		mails: map[mail.ID]queue.Entry{}, rows: map[rowKey]queue.Row{}, damaged: map[mail.ID]error{}, lost: map[mail.ID]error{},
	}
}

func (s *memory) Create() (mail.Draft, error) { return nil, errors.New("no drafts here") }
func (s *memory) Close() error                { return nil }

func (s *memory) Apply(_ context.Context, c queue.Change) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.broken != nil {
		return s.broken
	}
	for _, e := range c.Add {
		s.mails[e.Envelope.ID] = e
		for _, r := range e.Rows {
			s.rows[rowKey{r.ID, r.N}] = r
		}
	}
	for _, r := range c.Put {
		if _, ok := s.rows[rowKey{r.ID, r.N}]; ok {
			s.rows[rowKey{r.ID, r.N}] = r
			s.written++
		}
	}
	for _, r := range c.Done {
		delete(s.rows, rowKey{r.ID, r.N})
	}
	return nil
}

func (s *memory) Load(ctx context.Context, id mail.ID) (*mail.Envelope, *mail.Message, error) {
	env, err := s.Envelope(ctx, id)
	s.mu.Lock()
	defer s.mu.Unlock()
	if err = errors.Join(err, s.damaged[id]); err != nil {
		return nil, nil, err
	}
	return env, s.mails[id].Message, nil
}

func (s *memory) Envelope(_ context.Context, id mail.ID) (*mail.Envelope, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	e, ok := s.mails[id]
	if !ok {
		return nil, queue.ErrNotFound
	}
	return e.Envelope, s.lost[id]
}

// sorted is a copy of the rows that are chosen.
func (s *memory) sorted(by func(a, b queue.Row) int, chosen func(queue.Row) bool) []queue.Row {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := slices.SortedFunc(maps.Values(s.rows), by)
	return slices.DeleteFunc(all, func(r queue.Row) bool { return !chosen(r) })
}

func byID(a, b queue.Row) int  { return cmp.Or(cmp.Compare(a.ID, b.ID), cmp.Compare(a.N, b.N)) }
func byDue(a, b queue.Row) int { return cmp.Or(a.Due.Compare(b.Due), byID(a, b)) }

func (s *memory) refuseReads(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.unread = err
}

func (s *memory) Due(_ context.Context, destination string, by time.Time, n int) ([]queue.Row, error) {
	s.mu.Lock()
	err := s.unread
	s.mu.Unlock()
	if err != nil {
		return nil, err
	}
	rows := s.sorted(byDue, func(r queue.Row) bool {
		return !r.Held && r.Destination == destination && !r.Due.After(by)
	})
	return rows[:min(n, len(rows))], nil
}

func (s *memory) Destinations(context.Context) iter.Seq2[queue.Destination, error] {
	first := map[string]time.Time{}
	for _, r := range s.sorted(byDue, func(r queue.Row) bool { return !r.Held }) {
		if _, ok := first[r.Destination]; !ok {
			first[r.Destination] = r.Due
		}
	}
	return func(yield func(queue.Destination, error) bool) {
		for name, due := range first {
			if !yield(queue.Destination{Name: name, Due: due}, nil) {
				return
			}
		}
	}
}

func (s *memory) Rows(_ context.Context, from mail.ID) iter.Seq2[queue.Row, error] {
	all := s.left()
	return func(yield func(queue.Row, error) bool) {
		for _, r := range all {
			if r.ID < from {
				continue
			}
			var err error
			if r.N == damagedRow {
				r, err = queue.Row{}, errDamaged
			}
			if !yield(r, err) {
				return
			}
		}
	}
}

// damagedRow is the number of a row that cannot be read.
const damagedRow = 666

// left is the rows that wait, by id and number.
func (s *memory) left() []queue.Row {
	return s.sorted(byID, func(queue.Row) bool { return true })
}

// puts is the number of rows written so far.
func (s *memory) puts() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.written
}

// reports are the messages from <> that were queued, by time, whether they wait or not.
func (s *memory) reports() (out []queue.Entry) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, id := range slices.Sorted(maps.Keys(s.mails)) {
		if e := s.mails[id]; e.Envelope.From.IsNull() && e.Message.Header.Get("Auto-Submitted") != "" {
			out = append(out, e)
		}
	}
	return out
}
