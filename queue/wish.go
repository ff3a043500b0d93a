// SPDX-License-Identifier: MIT

package queue

import (
	"context"
	"time"
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

// begin sets rows free that were just added and shows them to their destinations, as operators wished while they were being
// committed. The caller holds the lock.
func (q *Queue) begin(ctx context.Context, rows []Row) {
	left := q.granted(ctx, rows)
	returned := q.wantReturned(left)
	q.release(rows)
	q.show(q.split(left, returned))
}

// granted is what is left of added rows after the wishes. If they cannot be written, the rows are as they were added: the
// error is the store's, which fails every later call too.
func (q *Queue) granted(ctx context.Context, rows []Row) []Row {
	for len(q.wishes) > 0 {
		put, done, more := q.grant(rows)
		if !more || q.write(ctx, Change{Put: put, Done: done}) != nil {
			return rows
		}
		rows = put
	}
	return rows
}
