// SPDX-License-Identifier: MIT

package queue

import (
	"context"
	"errors"
	"slices"

	"posthouse/mail"
)

// Claim is one message's due recipients in one destination, given to one attempt until Settle or Abandon.
type Claim struct {
	ID          mail.ID
	Destination string
	Rows        []Row
	Suspended   bool // the destination is taken for dead: do not try it, judge delay and expiry (Options.Overdue)
	Return      bool // an operator wants the rows returned: do not try them, settle them with their DSN

	d   *destination
	hop string // counted there if hops has it
	on  bool
}

// ErrClosed is what Claim returns after Close.
var ErrClosed = errors.New("queue is closed")

// Claim waits for the next claim, or returns ctx's error. An error of the store is returned too; the caller may try again.
func (q *Queue) Claim(ctx context.Context) (*Claim, error) {
	stop := context.AfterFunc(ctx, func() {
		q.mu.Lock()
		defer q.mu.Unlock()
		q.changed.Broadcast()
	})
	defer stop()
	q.mu.Lock()
	defer q.mu.Unlock()
	for {
		if err := q.ended(ctx); err != nil {
			q.changed.Signal() // the call may have been meant for one who can still work
			return nil, err
		}
		if c, err := q.nextClaim(ctx); c != nil || err != nil {
			return c, err
		}
		q.changed.Wait()
	}
}

func (q *Queue) ended(ctx context.Context) error {
	if q.closed {
		return ErrClosed
	}
	return ctx.Err()
}

// nextClaim takes the first claim of the first destination in turn that can have one; nil if there is none.
func (q *Queue) nextClaim(ctx context.Context) (*Claim, error) {
	if len(q.urgent) > 0 { // they count already: to wait for a place would be to wait for themselves
		c := q.urgent[0]
		q.urgent = q.urgent[1:]
		return c, nil
	}
	if q.active >= q.o.Total {
		return nil, nil
	}
	for {
		d := q.ready.pop()
		if d == nil {
			return nil, nil
		}
		c, err := q.tryClaim(ctx, d)
		if c != nil || err != nil {
			return c, err
		}
	}
}

// tryClaim gives a destination its turn. If it cannot use the place at the hop that it was woken for, another may.
func (q *Queue) tryClaim(ctx context.Context, d *destination) (c *Claim, err error) {
	d.queued = false
	from := d.parkedAt
	d.parkedAt = nil
	if q.acts > 0 {
		q.prune(d)
	}
	switch {
	case !q.claimable(d):
		q.place(d)
	case len(d.rows) == 0:
		err = q.load(ctx, d)
	default:
		c = q.claimAt(d, q.o.NextHop(d.name))
	}
	if c == nil && from != nil && from.active < q.o.Concurrency {
		q.unpark(from, 1)
	}
	return c, err
}

// prune leaves out the rows that an operator's act has taken; it shows them again when it is done.
func (q *Queue) prune(d *destination) {
	d.rows = slices.DeleteFunc(d.rows, func(r Row) bool { return q.busy[keyOf(&r)] })
}

// claimAt claims if the next hop has a place, else the destination waits there.
func (q *Queue) claimAt(d *destination, name string) *Claim {
	h := q.hops[name]
	if h == nil {
		h = &hop{}
		q.hops[name] = h
	}
	if h.active >= q.o.Concurrency {
		d.queued = true
		h.parked = append(h.parked, d)
		return nil
	}
	h.active++
	c := q.newClaim(d, d.take(q.o.PerClaim))
	c.hop, c.on = name, true
	c.Suspended = !d.until.IsZero()
	q.place(d)
	return c
}

// newClaim marks rows of one message and one destination as busy.
func (q *Queue) newClaim(d *destination, rows []Row) *Claim {
	for i := range rows {
		q.busy[keyOf(&rows[i])] = true
	}
	q.active++
	d.claims++
	d.claimed += len(rows)
	return &Claim{ID: rows[0].ID, Destination: d.name, Rows: rows, d: d}
}

// take cuts the rows of the first message out of the window.
func (d *destination) take(most int) []Row {
	id := d.rows[0].ID
	n := 1
	for n < len(d.rows) && n < most && d.rows[n].ID == id {
		n++
	}
	taken := append([]Row(nil), d.rows[:n]...)
	if d.rows = d.rows[n:]; len(d.rows) == 0 {
		d.rows = nil
	}
	return taken
}

// finish ends a claim: its places are free, and what its destination has left is in turn again. The rows are the
// caller's to release and show.
func (q *Queue) finish(c *Claim) {
	q.active--
	c.d.claims--
	c.d.claimed -= len(c.Rows)
	if h := q.hops[c.hop]; c.on && h != nil {
		h.active--
		q.freePlace(c.hop, h)
	}
	q.changed.Signal()
}

// freePlace wakes one destination that waits for the place, and all when nobody is left who would.
func (q *Queue) freePlace(name string, h *hop) {
	n := 1
	if h.active == 0 {
		n = len(h.parked)
		delete(q.hops, name)
	}
	q.unpark(h, n)
}

func (q *Queue) unpark(h *hop, n int) {
	n = min(n, len(h.parked))
	for _, d := range h.parked[:n] {
		d.parkedAt = h
		q.enqueue(d)
	}
	if h.parked = h.parked[n:]; len(h.parked) == 0 {
		h.parked = nil
	}
}

// Abandon ends a claim without a word: its rows are as before.
func (q *Queue) Abandon(c *Claim) {
	if q.wished(c.Rows) {
		// The error is the store's, which fails every later call too.
		_ = q.settle(context.Background(), c, Settlement{Put: c.Rows}, nil)
		return
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	q.conclude(c, c.Rows, nil)
}
