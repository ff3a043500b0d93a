// SPDX-License-Identifier: MIT

//go:build linux

package loop

import "golang.org/x/sys/unix"

const (
	bufferSize = 64 << 10 // of a loop, and the most a flow keeps outside a pipe
	turns      = 4        // reads of one flow before others have theirs
	trickle    = 16 << 10 // a spliced piece below this is copied the next time
)

// end is one socket of a session. Its readiness is what epoll has told (edge-triggered: once) and no call has denied since.
type end struct {
	s        *session
	fd       int32
	gen      uint32 // in the event data: an event for an earlier descriptor of the same number does not match
	readable bool
	writable bool
	urgent   bool // a byte out of band has come, in front of which splice(2) stops as if there were nothing more: copy
	doubt    bool // a short read does not say that the socket is empty: read until a call says so
	eof      bool // it was found
	shut     bool // we have said our last byte to it
	broken   bool // nothing can be written any more
}

// flow is one direction of a session.
type flow struct {
	src, dst *end
	pend     []byte // taken from src and not yet taken by dst
	pipe     *pipe  // only while it holds bytes, or in the middle of a move
	total    int64  // bytes taken from src
	full     uint8  // reads running that filled the buffer
	bulk     bool   // splice
	copyOnly bool   // splice does not work here
}

func (f *flow) holds() bool { return len(f.pend) > 0 || f.pipe != nil }

// done says that nothing will pass any more.
func (f *flow) done() bool { return f.dst.broken || f.src.eof && !f.holds() }

// willing says that a call would get on.
func (f *flow) willing() bool {
	if f.dst.broken || !f.dst.writable {
		return false
	}
	return f.holds() || f.src.readable && !f.src.eof
}

// move carries bytes until one side is not ready, or for a few turns. It reports whether any byte moved.
func (l *loop) move(f *flow) (moved bool) {
	for range turns {
		if !f.willing() {
			break
		}
		moved = true
		switch {
		case f.pipe != nil:
			l.pipeOut(f)
		case len(f.pend) > 0:
			l.flush(f)
		case f.bulk && !f.src.urgent:
			l.pipeIn(f)
		default:
			l.copy(f)
		}
	}
	return moved
}

// copy reads once and writes at once.
func (l *loop) copy(f *flow) {
	n, err := receive(f.src.fd, l.buf)
	if n <= 0 || err != 0 {
		f.readFailed(err)
		return
	}
	f.total += int64(n)
	if n < len(l.buf) {
		// A short read has emptied a TCP socket, unless the end or an urgent byte is behind it: both are announced.
		f.src.readable = f.src.doubt
		f.full = 0
	} else if f.full++; f.full >= 2 && !f.copyOnly {
		f.bulk = true
	}
	l.write(f, l.buf[:n], false)
}

// flush writes what was kept.
func (l *loop) flush(f *flow) { l.write(f, f.pend, true) }

// write sends b and keeps the rest.
func (l *loop) write(f *flow, b []byte, kept bool) {
	n, err := send(f.dst.fd, b)
	switch {
	case err == unix.EINTR:
		n = 0
	case err == unix.EAGAIN:
		n, f.dst.writable = 0, false
	case err != 0:
		l.broke(f, err)
		return
	}
	if kept {
		l.pending.Add(-int64(n))
		if f.pend = f.pend[n:]; len(f.pend) == 0 {
			f.pend = nil
		}
		return
	}
	if n < len(b) {
		l.keep(f, append([]byte(nil), b[n:]...))
	}
}

// keep holds b, which is f's from now on, for its receiver.
func (l *loop) keep(f *flow, b []byte) {
	f.pend = b
	l.pending.Add(int64(len(b)))
}

// pipeIn fills a pipe, which is empty before: EAGAIN says that the socket is, too.
func (l *loop) pipeIn(f *flow) {
	p := l.pipe()
	if p == nil {
		f.bulk, f.full = false, 0 // no pipe is free: copy, and ask again after two full buffers
		l.copy(f)
		return
	}
	n, err := splice(f.src.fd, p.w, p.size)
	if n <= 0 || err != 0 {
		l.release(p)
		if err == unix.EINVAL {
			f.bulk, f.copyOnly = false, true
			return
		}
		if err == 0 {
			f.bulk, f.full = false, 0 // the end, or an urgent byte that no event has told of yet: a read can tell
			return
		}
		f.readFailed(err)
		return
	}
	f.pipe, p.held = p, n
	f.total += int64(n)
	l.spliced.Add(int64(n))
	if n < trickle {
		f.bulk, f.full = false, 0
	}
	l.pipeOut(f)
}

// pipeOut empties it. A short splice does not say that the socket is full: a signal cuts it short, too, and Go's scheduler
// sends such. Only EAGAIN promises an event.
func (l *loop) pipeOut(f *flow) {
	n, err := splice(f.pipe.r, f.dst.fd, f.pipe.held)
	switch {
	case err == unix.EINTR:
		return
	case err == unix.EAGAIN:
		f.dst.writable = false
		return
	case err == unix.EINVAL:
		f.copyOnly, f.bulk = true, false
		l.unpipe(f)
		return
	case err != 0:
		l.broke(f, err)
		return
	}
	if f.pipe.held -= n; f.pipe.held > 0 {
		return
	}
	l.release(f.pipe)
	f.pipe = nil
}

// unpipe turns what a pipe holds into kept bytes.
func (l *loop) unpipe(f *flow) {
	l.keep(f, f.pipe.drain())
	l.release(f.pipe)
	f.pipe = nil
}

// readFailed looks at what a read gave instead of bytes: no error is the end of the stream.
func (f *flow) readFailed(err unix.Errno) {
	switch err {
	case unix.EINTR:
	case unix.EAGAIN:
		f.src.readable = false
	case 0:
		f.src.eof = true
		f.src.s.said(f.src)
	default:
		// What came before the reset is still delivered. Nothing can go the other way.
		f.src.eof, f.src.broken = true, true
		f.src.s.reset(f.src, err)
	}
}

// broke throws away what dst does not take any more. What it has said itself before is still read.
func (l *loop) broke(f *flow, err unix.Errno) {
	f.dst.broken, f.dst.readable = true, true
	f.dst.s.reset(f.dst, err)
	l.discard(f)
}

// discard gives back what a flow holds.
func (l *loop) discard(f *flow) {
	l.pending.Add(-int64(len(f.pend)))
	f.pend = nil
	if f.pipe != nil {
		l.release(f.pipe)
		f.pipe = nil
	}
}
