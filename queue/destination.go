// SPDX-License-Identifier: MIT

package queue

import (
	"container/heap"
	"time"
)

// destination is one entry of the schedule. Its rows are a window on the store: the oldest that are due and not busy.
type destination struct {
	name    string
	rows    []Row     // due, oldest first
	more    bool      // the store may have due rows that are not in rows
	next    time.Time // when the store has more; zero: it has none
	clamped bool      // next is sooner than the store says, which must be wrong
	doubted bool      // such a next has passed: times too far away are due

	until     time.Time // the host is taken for dead; zero: it is well
	suspect   bool      // it was dead: one claim at a time until one settles well
	overdue   bool      // while it is dead, the store may have rows past Options.Overdue
	overdueAt time.Time // when it will; zero: not known to

	claims, claimed int  // claims under way, and their rows
	queued          bool // in ready, or parked at a hop
	parkedAt        *hop // the hop that let it go last, until its turn comes
	loading         bool
	wake            time.Time
	at              int // 1 + index in sleeping; 0: not there
}

// hop counts the claims of one next hop and keeps the destinations that wait for one to end.
type hop struct {
	active int
	parked []*destination
}

// get returns the entry of a destination that has or gets rows.
func (q *Queue) get(name string) *destination {
	d := q.destinations[name]
	if d == nil {
		d = &destination{name: name}
		q.destinations[name] = d
	}
	return d
}

// noteDue remembers that the store has a row of that time. place decides what follows.
func (q *Queue) noteDue(name string, due time.Time) {
	d := q.get(name)
	q.note(d, due)
	q.place(d)
}

func (q *Queue) note(d *destination, due time.Time) {
	now := q.o.Now()
	if !due.After(now) {
		d.more = true
		return
	}
	far := q.tooFar(due, now)
	if far {
		due = now.Add(q.o.MaxBackoff)
	}
	if d.next.IsZero() || due.Before(d.next) {
		d.next, d.clamped = due, far
	}
}

// clockSlack is by how much a next time may lie beyond the longest back-off before the clock is taken to have jumped.
const clockSlack = 5 * time.Minute

// tooFar reports a time that nobody can have meant: the clock was set back since it was written.
func (q *Queue) tooFar(due, now time.Time) bool {
	return due.After(now.Add(q.o.MaxBackoff + clockSlack))
}

// show takes rows that were just written and are busy no longer into the schedule.
func (q *Queue) show(rows []Row) {
	var touched *destination
	for i := range rows {
		r := &rows[i]
		if r.Held {
			continue
		}
		d := q.get(r.Destination)
		if touched != nil && touched != d {
			q.place(touched)
		}
		q.showRow(d, r)
		touched = d
	}
	if touched != nil {
		q.place(touched)
	}
}

// showRow puts a row that is due into a window that is otherwise complete: most mail never needs to be read back.
func (q *Queue) showRow(d *destination, r *Row) {
	if d.more || d.loading || len(d.rows) >= q.o.Window || r.Due.After(q.o.Now()) || !d.until.IsZero() {
		q.note(d, r.Due)
		return
	}
	d.rows = append(d.rows, *r)
}

// place puts a destination where it belongs: in turn, asleep, or out of memory.
func (q *Queue) place(d *destination) {
	if d.queued || d.loading {
		return
	}
	if q.claimable(d) {
		q.unsleep(d)
		q.enqueue(d)
		return
	}
	wake := q.wakeTime(d)
	if !wake.IsZero() {
		q.sleep(d, wake)
		return
	}
	q.unsleep(d)
	if d.claims == 0 && len(d.rows) == 0 && !d.more {
		delete(q.destinations, d.name)
	}
}

func (q *Queue) enqueue(d *destination) {
	d.queued = true
	q.ready.push(d)
	q.changed.Signal()
}

// claimable reports that a claim may be found, once the window is loaded.
func (q *Queue) claimable(d *destination) bool {
	if !d.until.IsZero() {
		return len(d.rows) > 0 || d.overdue
	}
	if d.suspect && d.claims > 0 {
		return false
	}
	return len(d.rows) > 0 || d.more
}

// wakeTime is when something about a destination that is not claimable changes by itself.
func (q *Queue) wakeTime(d *destination) time.Time {
	if d.until.IsZero() {
		return d.next
	}
	if !d.overdueAt.IsZero() && d.overdueAt.Before(d.until) {
		return d.overdueAt
	}
	return d.until
}

// longestSleep bounds the timer, so that a clock set forward is noticed.
const longestSleep = time.Minute

func (q *Queue) sleep(d *destination, wake time.Time) {
	d.wake = wake
	if d.at == 0 {
		heap.Push(&q.sleeping, d)
	} else {
		heap.Fix(&q.sleeping, d.at-1)
	}
	q.setTimer()
}

func (q *Queue) unsleep(d *destination) {
	if d.at != 0 {
		heap.Remove(&q.sleeping, d.at-1)
	}
}

func (q *Queue) setTimer() {
	if len(q.sleeping) == 0 || q.closed {
		return
	}
	wait := min(max(q.sleeping[0].wake.Sub(q.o.Now()), 0), longestSleep)
	if q.timer == nil {
		q.timer = time.AfterFunc(wait, q.tick)
		return
	}
	q.timer.Reset(wait)
}

// tick wakes the destinations whose time has come.
func (q *Queue) tick() {
	q.mu.Lock()
	defer q.mu.Unlock()
	now := q.o.Now()
	for len(q.sleeping) > 0 && !q.sleeping[0].wake.After(now) {
		d := q.sleeping[0]
		q.unsleep(d)
		q.rouse(d, now)
		q.place(d)
	}
	q.setTimer()
}

// rouse turns what has passed into what is due.
func (q *Queue) rouse(d *destination, now time.Time) {
	if !d.until.IsZero() && !d.until.After(now) {
		d.until, d.overdue, d.overdueAt = time.Time{}, false, time.Time{}
	}
	if !d.overdueAt.IsZero() && !d.overdueAt.After(now) {
		d.overdueAt, d.overdue = time.Time{}, true
	}
	if !d.next.IsZero() && !d.next.After(now) {
		d.doubted = d.doubted || d.clamped
		d.next, d.clamped = time.Time{}, false
		d.more = true
	}
}

// sleepers is a heap by wake.
type sleepers []*destination

func (s sleepers) Len() int           { return len(s) }
func (s sleepers) Less(i, j int) bool { return s[i].wake.Before(s[j].wake) }
func (s sleepers) Swap(i, j int) {
	s[i], s[j] = s[j], s[i]
	s[i].at, s[j].at = i+1, j+1
}

// Push is heap.Interface's.
func (s *sleepers) Push(x any) {
	d := x.(*destination)
	*s = append(*s, d)
	d.at = len(*s)
}

// Pop is heap.Interface's.
func (s *sleepers) Pop() any {
	old := *s
	d := old[len(old)-1]
	old[len(old)-1] = nil
	*s = old[:len(old)-1]
	d.at = 0
	return d
}

// ring is a queue of destinations in turn.
type ring struct {
	list []*destination
	head int
}

func (r *ring) push(d *destination) { r.list = append(r.list, d) }

func (r *ring) pop() *destination {
	if r.head == len(r.list) {
		return nil
	}
	d := r.list[r.head]
	r.list[r.head] = nil
	r.head++
	if r.head > 32 && r.head*2 > len(r.list) {
		r.list = append(r.list[:0], r.list[r.head:]...)
		r.head = 0
	}
	return d
}
