// SPDX-License-Identifier: MIT

package queue

import (
	"context"
	"math"
	"time"
)

// watch is a read of the store that is under way. What it brings may be old by then: rows that were released meanwhile
// are in touched, and their state is what release's caller says, not what the read found.
type watch struct{ touched map[key]bool }

func (q *Queue) beginWatch() *watch {
	w := &watch{touched: map[key]bool{}}
	q.watches[w] = true
	return w
}

func (q *Queue) endWatch(w *watch) { delete(q.watches, w) }

// mark makes rows busy: no load shows them.
func (q *Queue) mark(rows []Row) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for i := range rows {
		q.busy[keyOf(&rows[i])] = true
	}
}

func (q *Queue) release(rows []Row) {
	for i := range rows {
		k := keyOf(&rows[i])
		delete(q.busy, k)
		delete(q.wishes, k)
		for w := range q.watches {
			w.touched[k] = true
		}
	}
}

// Pauses before a destination is read again: after an error, and when all that was read is busy.
const (
	pauseError = time.Second
	pauseBusy  = 50 * time.Millisecond
)

// load fills the window from the store. The lock is not held while the store works.
func (q *Queue) load(ctx context.Context, d *destination) error {
	d.loading, d.more, d.overdue = true, false, false
	dead := !d.until.IsZero()
	n := q.o.Window + d.claimed
	w := q.beginWatch()
	q.mu.Unlock()
	rows, err := q.o.Store.Due(ctx, d.name, time.Unix(0, math.MaxInt64), n)
	q.mu.Lock()
	q.endWatch(w)
	d.loading = false
	switch {
	case err != nil && ctx.Err() != nil:
		d.more, d.overdue = true, dead
	case err != nil:
		q.pause(d, pauseError)
	case dead:
		q.fillOverdue(d, rows, len(rows) == n, w)
	default:
		q.fillWindow(d, rows, len(rows) == n, w)
	}
	q.place(d)
	return err
}

func (q *Queue) pause(d *destination, wait time.Duration) { q.note(d, q.o.Now().Add(wait)) }

// fillWindow takes what is due and remembers when the first of the rest will be. Loads do not wait while new rows come
// in, so more may be set again by now.
func (q *Queue) fillWindow(d *destination, rows []Row, full bool, w *watch) {
	now := q.o.Now()
	far := false
	for i := range rows {
		r := &rows[i]
		tooFar := q.tooFar(r.Due, now)
		far = far || tooFar
		switch {
		case q.skip(r, w):
		case r.Due.After(now) && !(tooFar && d.doubted):
			q.note(d, r.Due)
			return
		case len(d.rows) < q.o.Window:
			d.rows = append(d.rows, *r)
		default:
			d.more = true
			return
		}
	}
	d.doubted = d.doubted && far
	if full && len(d.rows) == 0 {
		q.pause(d, pauseBusy)
		return
	}
	d.more = d.more || full
}

// fillOverdue takes what a dead destination has waited with for too long. The rest is read when the host is tried again.
func (q *Queue) fillOverdue(d *destination, rows []Row, full bool, w *watch) {
	d.more = true
	limit := q.o.Now().Add(-q.o.Overdue)
	for i := range rows {
		r := &rows[i]
		switch {
		case q.skip(r, w):
		case r.Due.After(limit):
			d.overdueAt = r.Due.Add(q.o.Overdue)
			return
		case len(d.rows) < q.o.Window:
			d.rows = append(d.rows, *r)
		default:
			d.overdue = true
			return
		}
	}
	switch {
	case full && len(d.rows) > 0:
		d.overdue = true
	case full:
		d.overdueAt = q.o.Now().Add(pauseBusy)
	}
}

func (q *Queue) skip(r *Row, w *watch) bool {
	k := keyOf(r)
	return q.busy[k] || w.touched[k]
}
