// SPDX-License-Identifier: MIT

package delivery

import (
	"cmp"
	"context"
	"errors"
	"io/fs"
	"iter"
	"maps"
	"slices"
	"sync"
	"time"

	"posthouse/mail"
	"posthouse/queue"
)

// memory is a queue without a disk: what delivery needs of one, and a count of what was written.
type memory struct {
	mu      sync.Mutex
	mails   map[mail.ID]queue.Entry
	rows    map[rowKey]queue.Row
	claimed map[target]bool
	dead    map[string]time.Time
	changed chan struct{} // closed at each change

	written int   // rows put
	broken  error // Settle's answer
}

type rowKey struct {
	id mail.ID
	n  int
}

func newMemory() *memory {
	return &memory{mails: map[mail.ID]queue.Entry{}, rows: map[rowKey]queue.Row{}, claimed: map[target]bool{},
		dead: map[string]time.Time{}, changed: make(chan struct{})}
}

func byDomain(p mail.Path) string { return p.Domain() }

func (q *memory) change() {
	close(q.changed)
	q.changed = make(chan struct{})
}

func (q *memory) Add(_ context.Context, e queue.Entry) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.add(e)
	q.change()
	return nil
}

func (q *memory) add(e queue.Entry) {
	q.mails[e.Envelope.ID] = e
	for _, r := range e.Rows {
		q.rows[rowKey{r.ID, r.N}] = r
	}
}

func (q *memory) Claim(ctx context.Context) (*queue.Claim, error) {
	for {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		q.mu.Lock()
		c, wait := q.next()
		changed := q.changed
		q.mu.Unlock()
		if c != nil {
			return c, nil
		}
		t := time.NewTimer(wait)
		select {
		case <-t.C:
		case <-changed:
		case <-ctx.Done():
		}
		t.Stop()
	}
}

// next is the claim that is due first, or how long there is none.
func (q *memory) next() (*queue.Claim, time.Duration) {
	now := time.Now()
	wait := 1000 * time.Hour
	for _, r := range q.sorted(func(a, b queue.Row) int { return a.Due.Compare(b.Due) }) {
		t := target{r.ID, r.Destination}
		if r.Held || q.claimed[t] {
			continue
		}
		due := r.Due
		if d := q.dead[r.Destination]; d.After(due) {
			due = d
		}
		if due.After(now) {
			wait = min(wait, due.Sub(now))
			continue
		}
		return q.claim(t, func(r queue.Row) bool { return !r.Held && !r.Due.After(now) }), 0
	}
	return nil, wait
}

func (q *memory) claim(t target, ok func(queue.Row) bool) *queue.Claim {
	c := &queue.Claim{ID: t.id, Destination: t.destination}
	for _, r := range q.sorted(func(a, b queue.Row) int { return cmp.Compare(a.N, b.N) }) {
		if r.ID == t.id && r.Destination == t.destination && ok(r) {
			c.Rows = append(c.Rows, r)
		}
	}
	if c.Rows != nil {
		q.claimed[t] = true
	}
	return c
}

func (q *memory) sorted(by func(a, b queue.Row) int) []queue.Row {
	return slices.SortedFunc(maps.Values(q.rows), by)
}

func (q *memory) Take(ctx context.Context, id mail.ID, destination string) (*queue.Claim, error) {
	t := target{id, destination}
	for {
		q.mu.Lock()
		if !q.claimed[t] {
			defer q.mu.Unlock()
			if c := q.claim(t, func(queue.Row) bool { return true }); c.Rows != nil {
				return c, nil
			}
			return nil, fs.ErrNotExist
		}
		changed := q.changed
		q.mu.Unlock()
		select {
		case <-changed:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

func (q *memory) Load(_ context.Context, id mail.ID) (*mail.Envelope, *mail.Message, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	e, ok := q.mails[id]
	if !ok || e.Message == nil {
		return nil, nil, errors.New("damaged")
	}
	return e.Envelope, e.Message, nil
}

func (q *memory) Rows(_ context.Context, from mail.ID) iter.Seq2[queue.Row, error] {
	q.mu.Lock()
	defer q.mu.Unlock()
	all := q.sorted(func(a, b queue.Row) int { return cmp.Or(cmp.Compare(a.ID, b.ID), cmp.Compare(a.N, b.N)) })
	return func(yield func(queue.Row, error) bool) {
		for _, r := range all {
			if r.ID >= from && !yield(r, nil) {
				return
			}
		}
	}
}

func (q *memory) Settle(_ context.Context, c *queue.Claim, s queue.Settlement) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.broken != nil {
		return q.broken
	}
	if len(s.Done)+len(s.Put) != len(c.Rows) {
		panic("a settlement must name every row of the claim once")
	}
	for _, r := range s.Done {
		delete(q.rows, rowKey{r.ID, r.N})
	}
	for _, r := range s.Put {
		q.rows[rowKey{r.ID, r.N}] = r
		q.written++
	}
	for _, e := range s.Add {
		q.add(e)
	}
	q.dead[c.Destination] = s.Dead
	delete(q.claimed, target{c.ID, c.Destination})
	q.change()
	return nil
}

func (q *memory) Abandon(c *queue.Claim) {
	q.mu.Lock()
	defer q.mu.Unlock()
	delete(q.claimed, target{c.ID, c.Destination})
	q.change()
}

// left is the rows that wait, by id and number.
func (q *memory) left() []queue.Row {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.sorted(func(a, b queue.Row) int { return cmp.Or(cmp.Compare(a.ID, b.ID), cmp.Compare(a.N, b.N)) })
}

// puts is the number of rows written so far.
func (q *memory) puts() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.written
}
