// SPDX-License-Identifier: MIT

//go:build linux

package loop

import "time"

// A list holds sessions that wait with the same time-out, the longest waiting first. Since the time-out is one for all,
// whoever moved last goes to the end, and only the first has to be looked at: there is no timer per session.
type list struct {
	timeout     time.Duration // 0: no limit; the sessions are listed all the same
	first, last *session
}

// place is a session's link in the one list it is in.
type place struct {
	in         *list
	prev, next *session
	since      time.Duration
}

// lists are those of one Front in one loop.
type lists struct {
	front                 *Front
	users                 int // sessions and doors
	header, connect, idle list
}

func newLists(f *Front) *lists {
	return &lists{front: f, header: list{timeout: f.HeaderTimeout}, connect: list{timeout: f.ConnectTimeout}, idle: list{timeout: f.IdleTimeout}}
}

// of is the lists of f, to be given back by drop.
func (l *loop) listsOf(f *Front) *lists {
	ls := l.lists[f]
	if ls == nil {
		ls = newLists(f)
		l.lists[f] = ls
	}
	ls.users++
	return ls
}

func (l *loop) dropLists(ls *lists) {
	if ls.users--; ls.users == 0 {
		delete(l.lists, ls.front)
	}
}

// list puts s at the end of to, with the time of this wake-up.
func (l *loop) list(s *session, to *list) {
	s.since = l.now
	if s.in == to && to.last == s {
		return
	}
	s.unlist()
	s.in, s.prev = to, to.last
	if to.last == nil {
		to.first = s
	} else {
		to.last.next = s
	}
	to.last = s
	if to.timeout > 0 {
		l.wakeAt(l.now + to.timeout)
	}
}

func (s *session) unlist() {
	if s.in == nil {
		return
	}
	if s.prev == nil {
		s.in.first = s.next
	} else {
		s.prev.next = s.next
	}
	if s.next == nil {
		s.in.last = s.prev
	} else {
		s.next.prev = s.prev
	}
	s.in, s.prev, s.next = nil, nil, nil
}

// due is the first session of a list whose time is up.
func (t *list) due(now time.Duration) *session {
	if t.timeout > 0 && t.first != nil && t.first.since+t.timeout <= now {
		return t.first
	}
	return nil
}

// wakeAt has the loop look at its lists at that time, or before.
func (l *loop) wakeAt(at time.Duration) { l.next = min(l.next, at) }

// expire ends what has waited too long, and finds when to look again. Most wake-ups are before l.next and cost nothing.
func (l *loop) expire() {
	if l.now < l.next {
		return
	}
	l.next = never
	for _, ls := range l.lists {
		for s := ls.header.due(l.now); s != nil; s = ls.header.due(l.now) {
			l.end(s, HeaderTimeout, nil)
		}
		for s := ls.idle.due(l.now); s != nil; s = ls.idle.due(l.now) {
			l.end(s, IdleTimeout, nil)
		}
		for s := ls.connect.due(l.now); s != nil; s = ls.connect.due(l.now) {
			l.connectTimeout(s)
		}
		l.wakeFor(&ls.header)
		l.wakeFor(&ls.idle)
		l.wakeFor(&ls.connect)
	}
	l.retry()
}

func (l *loop) wakeFor(t *list) {
	if t.timeout > 0 && t.first != nil {
		l.wakeAt(t.first.since + t.timeout)
	}
}
