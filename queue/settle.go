// SPDX-License-Identifier: MIT

package queue

import (
	"context"
	"fmt"
	"time"
)

// Settlement says what became of a claim: every row of it in exactly one of Done and Put; Add are its DSNs. One Change.
// Add's entries may leave Rows nil: each recipient then gets one that is due at once.
type Settlement struct {
	Done, Put []Row
	Add       []Entry
	// Dead backs the whole destination off until then: nothing of it is claimed before, its other rows are not written.
	// Zero: the destination is well. Of a claim that is Suspended or Return it says nothing.
	Dead time.Time
}

// Settle ends a claim. A settlement of Done alone is lazy: a crash within a second repeats the delivery. ctx gives values
// only, since what was done must be written down. On an error the claim is over too, and its rows are as before.
func (q *Queue) Settle(ctx context.Context, c *Claim, s Settlement) error {
	if err := s.check(c); err != nil {
		q.Abandon(c)
		return err
	}
	return q.settle(context.WithoutCancel(ctx), c, s, &s.Dead)
}

// check finds a row of the claim that was forgotten, and one that is not of the claim or there twice.
func (s *Settlement) check(c *Claim) error {
	open := make(map[key]bool, len(c.Rows))
	for i := range c.Rows {
		open[keyOf(&c.Rows[i])] = true
	}
	for _, rows := range [2][]Row{s.Done, s.Put} {
		for i := range rows {
			k := keyOf(&rows[i])
			if !open[k] {
				return fmt.Errorf("settle %s: recipient %d of %s is not in the claim, or twice in the settlement", c.ID, k.n, k.id)
			}
			delete(open, k)
		}
	}
	if len(open) > 0 {
		return fmt.Errorf("settle %s: %d recipients of the claim are in neither Done nor Put", c.ID, len(open))
	}
	return nil
}

// settle writes the change, and then what operators wished for in the meantime, before the rows are anyone's again.
// dead is nil if nothing was learnt about the destination.
func (q *Queue) settle(ctx context.Context, c *Claim, s Settlement, dead *time.Time) error {
	added, err := q.addAll(s.Add)
	if err != nil {
		q.Abandon(c)
		return err
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	put, done, _ := q.grant(s.Put)
	change := Change{Add: s.Add, Put: put, Done: append(done, s.Done...)}
	for again := true; again && err == nil; {
		if err = q.write(ctx, change); err == nil {
			put, done, again = q.grant(put)
			change = Change{Put: put, Done: done}
		}
	}
	if err != nil {
		put = c.Rows
	}
	q.conclude(c, put, dead)
	if err != nil {
		q.release(added)
		return err
	}
	q.begin(ctx, added)
	return nil
}

// write applies a change without the lock, which the caller holds.
func (q *Queue) write(ctx context.Context, c Change) error {
	c.Lazy = len(c.Add) == 0 && len(c.Put) == 0
	q.mu.Unlock()
	defer q.mu.Lock()
	return q.o.Store.Apply(ctx, c)
}

// conclude ends the claim in memory.
func (q *Queue) conclude(c *Claim, left []Row, dead *time.Time) {
	returned := q.wantReturned(left)
	q.finish(c)
	q.release(c.Rows)
	if dead != nil && !c.Suspended && !c.Return {
		q.learn(c.d, *dead)
	}
	q.show(q.split(left, returned))
	q.place(c.d)
}

// learn backs a destination off or takes it for well.
func (q *Queue) learn(d *destination, dead time.Time) {
	now := q.o.Now()
	if !dead.After(now) {
		d.until, d.suspect, d.overdue, d.overdueAt = time.Time{}, false, false, time.Time{}
		return
	}
	if last := now.Add(q.o.MaxBackoff); dead.After(last) {
		dead = last
	}
	d.until, d.suspect, d.overdue = dead, true, q.o.Overdue > 0
	d.more = d.more || len(d.rows) > 0
	d.rows = nil
}

// addAll completes the entries of a settlement and makes their rows busy.
func (q *Queue) addAll(entries []Entry) (rows []Row, err error) {
	for i := range entries {
		if err := q.fill(&entries[i]); err != nil {
			return nil, err
		}
		rows = append(rows, entries[i].Rows...)
	}
	q.mark(rows)
	return rows, nil
}
