// SPDX-License-Identifier: MIT

package queue

import "time"

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
