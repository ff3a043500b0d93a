// SPDX-License-Identifier: MIT

package queue

import (
	"context"
	"errors"
)

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
