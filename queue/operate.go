// SPDX-License-Identifier: MIT

package queue

import (
	"context"
	"errors"
	"time"

	"posthouse/mail"
)

// Acted counts the recipients that an operator's act found: Now are done, Later are being tried at this moment and follow
// when their attempt ends, unless it delivers them.
type Acted struct{ Now, Later int }

// Hold keeps recipients from being tried, and from expiring, until they are released.
func (q *Queue) Hold(ctx context.Context, f Filter) (Acted, error) { return q.act(ctx, f, wishHold) }

// Release makes held recipients due; others are left alone.
func (q *Queue) Release(ctx context.Context, f Filter) (Acted, error) {
	return q.act(ctx, f, wishRelease)
}

// Delete takes recipients away without telling the sender.
func (q *Queue) Delete(ctx context.Context, f Filter) (Acted, error) {
	return q.act(ctx, f, wishDelete)
}

// Retry makes recipients due now, held ones excepted, and forgets that their destinations were dead.
func (q *Queue) Retry(ctx context.Context, f Filter) (Acted, error) { return q.act(ctx, f, wishRetry) }

// atOnce is how many rows one change of an operator's act writes.
const atOnce = 500

// act runs over the rows of f. Rows that a read found in an old state are read again.
func (q *Queue) act(ctx context.Context, f Filter, w wish) (sum Acted, err error) {
	if err := f.check(); err != nil {
		return sum, err
	}
	for f.active() {
		got := q.grabAll(ctx, f, w, func(rows []Row) error {
			n, err := q.fulfil(ctx, rows, w)
			sum.Now += n
			return err
		})
		sum.Later += got.later
		if got.err != nil {
			return sum, got.err
		}
		f = f.only(got.stale)
	}
	return sum, nil
}

// grabbed is what one pass over the rows met.
type grabbed struct {
	later int       // in claims; the wish is noted
	stale []mail.ID // changed while they were read
	err   error
}

// grabAll makes the matching rows busy and hands them over in portions. A nil give only collects; see Take.
func (q *Queue) grabAll(ctx context.Context, f Filter, w wish, give func([]Row) error) (g grabbed) {
	q.mu.Lock()
	watch := q.beginWatch()
	q.acts++
	q.mu.Unlock()
	defer func() {
		q.mu.Lock()
		defer q.mu.Unlock()
		q.acts--
		q.endWatch(watch)
	}()
	var rows []Row
	for row, err := range q.scan(ctx, f) {
		if err != nil {
			g.err = err
			break
		}
		if q.grab(&row, w, watch, &g) {
			rows = append(rows, row)
		}
		if len(rows) == atOnce {
			if g.err = give(rows); g.err != nil {
				return g
			}
			rows = nil
		}
	}
	if len(rows) > 0 {
		g.err = errors.Join(g.err, give(rows))
	}
	return g
}

// grab makes one row busy, or notes what is wanted of it if a claim has it.
func (q *Queue) grab(row *Row, w wish, seen *watch, g *grabbed) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	k := keyOf(row)
	switch {
	case q.busy[k]:
		q.wishes[k] = w
		g.later++
		return false
	case seen.touched[k]:
		g.stale = append(g.stale, row.ID)
		return false
	}
	q.busy[k] = true
	return true
}

// fulfil writes a portion of busy rows and sets them free.
func (q *Queue) fulfil(ctx context.Context, rows []Row, w wish) (int, error) {
	var c Change
	var same []Row
	now := q.o.Now()
	for _, r := range rows {
		switch apply(&r, w, now) {
		case changed:
			c.Put = append(c.Put, r)
		case removed:
			c.Done = append(c.Done, r)
		case unchanged:
			same = append(same, r)
		}
	}
	var err error
	if len(c.Put)+len(c.Done) > 0 {
		err = q.o.Store.Apply(ctx, c)
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	q.release(rows)
	q.forget(rows)
	if err != nil {
		q.show(rows)
		return 0, err
	}
	q.show(same)
	q.show(c.Put)
	if w == wishRetry {
		q.revive(c.Put)
	}
	return len(c.Put) + len(c.Done), nil
}

// forget takes rows out of the windows: they were loaded before they were grabbed.
func (q *Queue) forget(rows []Row) {
	gone := make(map[key]bool, len(rows))
	where := map[*destination]bool{}
	for i := range rows {
		gone[keyOf(&rows[i])] = true
		if d := q.destinations[rows[i].Destination]; d != nil {
			where[d] = true
		}
	}
	for d := range where {
		kept := d.rows[:0]
		for _, r := range d.rows {
			if !gone[keyOf(&r)] {
				kept = append(kept, r)
			}
		}
		d.rows = kept
	}
}

// revive forgets back-off.
func (q *Queue) revive(rows []Row) {
	for i := range rows {
		if d := q.destinations[rows[i].Destination]; d != nil {
			q.learn(d, time.Time{})
			q.place(d)
		}
	}
}
