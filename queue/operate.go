// SPDX-License-Identifier: MIT

package queue

import (
	"context"
	"errors"
	"time"

	"posthouse/mail"
)

// wish is what an operator wants of a row.
type wish uint8

const (
	wishHold wish = 1 + iota
	wishRelease
	wishDelete
	wishRetry
	wishReturn
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

type effect uint8

const (
	unchanged effect = iota
	changed
	removed
)

// apply is the table of legal moves (DESIGN: deferred to held, held to deferred, either to deleted).
func apply(r *Row, w wish, now time.Time) effect {
	switch {
	case w == wishDelete:
		return removed
	case w == wishHold && !r.Held:
		r.Held = true
	case w == wishRelease && r.Held, w == wishRetry && !r.Held:
		r.Held, r.Due = false, now
	default:
		return unchanged
	}
	return changed
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

// Take claims up to most matching recipients (about; a message's are not split) whatever their time and state, for
// delivery to return them to their senders. Those being tried follow later as claims with Return set, out of Claim.
func (q *Queue) Take(ctx context.Context, f Filter, most int) (claims []*Claim, later int, err error) {
	if err := f.check(); err != nil {
		return nil, 0, err
	}
	enough := errors.New("enough")
	taken := 0
	g := q.grabAll(ctx, f, wishReturn, func(rows []Row) error {
		claims = append(claims, q.claimRows(rows)...)
		if taken += len(rows); taken >= most {
			return enough
		}
		return nil
	})
	if errors.Is(g.err, enough) {
		g.err = nil
	}
	return claims, g.later, g.err
}

// claimRows groups busy rows by message and destination.
func (q *Queue) claimRows(rows []Row) (claims []*Claim) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.forget(rows)
	for len(rows) > 0 {
		same, rest := sameClaim(rows, q.o.PerClaim)
		c := q.newClaim(q.get(same[0].Destination), same)
		c.Return = true
		claims = append(claims, c)
		rows = rest
	}
	return claims
}

// sameClaim splits off the rows that share message and destination with the first.
func sameClaim(rows []Row, most int) (same, rest []Row) {
	first := rows[0]
	for _, r := range rows {
		if len(same) < most && r.ID == first.ID && r.Destination == first.Destination {
			same = append(same, r)
		} else {
			rest = append(rest, r)
		}
	}
	return same, rest
}

// wished reports that an operator wants something of rows in a claim.
func (q *Queue) wished(rows []Row) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	for i := range rows {
		if w := q.wishes[keyOf(&rows[i])]; w != 0 && w != wishReturn {
			return true
		}
	}
	return false
}

// grant gives operators what they wished of rows that an attempt leaves behind. more: something was granted.
func (q *Queue) grant(rows []Row) (put, done []Row, more bool) {
	now := q.o.Now()
	for _, r := range rows {
		k := keyOf(&r)
		w := q.wishes[k]
		if w == wishReturn {
			w = 0 // conclude sees to it
		} else {
			delete(q.wishes, k)
		}
		switch apply(&r, w, now) {
		case changed:
			more = true
		case removed:
			done = append(done, r)
			more = true
			continue
		}
		put = append(put, r)
	}
	return put, done, more
}

// wantReturned finds the rows left by an attempt that an operator wants returned.
func (q *Queue) wantReturned(rows []Row) map[key]bool {
	var want map[key]bool
	for i := range rows {
		if k := keyOf(&rows[i]); q.wishes[k] == wishReturn {
			if want == nil {
				want = map[key]bool{}
			}
			want[k] = true
		}
	}
	return want
}

// split makes claims of the rows to be returned, for the next calls of Claim, and returns the others.
func (q *Queue) split(rows []Row, returned map[key]bool) []Row {
	if len(returned) == 0 {
		return rows
	}
	var stay, back []Row
	for _, r := range rows {
		if returned[keyOf(&r)] {
			back = append(back, r)
		} else {
			stay = append(stay, r)
		}
	}
	for len(back) > 0 {
		same, rest := sameClaim(back, q.o.PerClaim)
		c := q.newClaim(q.get(same[0].Destination), same)
		c.Return = true
		q.urgent = append(q.urgent, c)
		q.changed.Signal()
		back = rest
	}
	return stay
}
