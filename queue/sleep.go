// SPDX-License-Identifier: MIT

package queue

import (
	"container/heap"
	"time"
)

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
