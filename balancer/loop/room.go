// SPDX-License-Identifier: MIT

//go:build linux

package loop

import (
	"os"
	"slices"
	"time"

	"golang.org/x/sys/unix"
)

// Accepting pauses when there are as many sessions as there may be, or no descriptors. Clients then wait in the backlog of
// the listening socket, and none is refused.

// enter counts a session, if there is room for it.
func (e *Engine) enter() bool {
	if e.count.Add(1) <= int64(e.o.MaxSessions) {
		return true
	}
	e.count.Add(-1)
	return false
}

// left counts one less, and lets accepting go on. It waits for a little room, so as not to pause again at the next client.
func (e *Engine) left() {
	if n := e.count.Add(-1); e.paused.Load() && n <= int64(e.o.MaxSessions-max(1, e.o.MaxSessions/64)) {
		e.resume()
	}
}

func (e *Engine) resume() {
	if e.paused.CompareAndSwap(true, false) && e.told.CompareAndSwap(true, false) {
		e.say("accepting goes on", "sessions", e.count.Load())
	}
	for _, l := range e.all {
		l.do(l.resume)
	}
}

// scarce tells our own want from a fault of the peer.
func scarce(err unix.Errno) bool {
	return err == unix.EMFILE || err == unix.ENFILE || err == unix.ENOBUFS || err == unix.ENOMEM
}

// tellEvery is how often the log hears of a pause. At the brink accepting pauses and goes on many times a second.
const tellEvery = 10 * time.Second

// mayTell reports that the log is to hear of a pause at this time, and then of its end.
func (e *Engine) mayTell(now time.Duration) bool {
	last := e.tell.Load()
	may := last == 0 || now-time.Duration(last) >= tellEvery
	may = may && e.tell.CompareAndSwap(last, int64(now))
	e.told.Store(may)
	return may
}

// pause stops listening in this loop.
func (l *loop) pause(why string, err error) {
	if l.e.paused.CompareAndSwap(false, true) && l.e.mayTell(l.now) {
		l.e.say("accepting pauses: "+why, "sessions", l.e.count.Load(), "max", l.e.o.MaxSessions, "error", err)
	}
	l.wakeAt(l.now + retryEvery)
	if l.paused {
		return
	}
	for _, d := range l.doors {
		l.ignore(d)
	}
	l.paused = true
}

// starve keeps a session whose server cannot have a socket yet.
func (l *loop) starve(s *session, err unix.Errno) {
	s.state = starved
	l.starved = append(l.starved, s)
	l.list(s, &s.lists.connect)
	l.pause("no descriptor for the server's side", os.NewSyscallError("socket", err))
}

// retry looks for room from time to time, since descriptors are freed elsewhere in the process, too.
func (l *loop) retry() {
	if !l.paused {
		return
	}
	if l.e.count.Load() < int64(l.e.o.MaxSessions) && l.spareDescriptor() {
		l.e.resume()
		return
	}
	l.wakeAt(l.now + retryEvery)
}

func (l *loop) spareDescriptor() bool {
	fd, err := unix.FcntlInt(uintptr(l.wake), unix.F_DUPFD_CLOEXEC, 0)
	if err == nil {
		unix.Close(fd)
	}
	return err == nil
}

// resume listens again, and goes on with the sessions that had no descriptor.
func (l *loop) resume() {
	if !l.paused {
		return
	}
	l.paused = false
	hungry := slices.Clone(l.starved)
	l.starved = l.starved[:0]
	for _, s := range hungry {
		if s.state != starved {
			continue
		}
		s.unlist()
		if why := l.dial(s); why != nil {
			l.try(s, why)
		}
	}
	if l.paused {
		return
	}
	for _, d := range l.doors {
		if err := l.listen(d); err != nil {
			l.pause("a listener was lost", err)
			return
		}
	}
}
