// SPDX-License-Identifier: MIT

//go:build linux

package loop

import (
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

type state uint8

const (
	inHeader    state = iota // the PROXY header is awaited
	connecting               // a server is being tried
	starved                  // no descriptor was free for the server's socket
	established              // bytes move
	lent                     // stands still, while another process is asked to take it
	ended
)

// session is a client and, later, its server.
type session struct {
	place
	l      *loop
	lists  *lists
	visit  Visit
	arrive *Arrival // kept only until Open

	client, server end
	up, down       flow // to the server, to the client

	target  Target // of the last Next
	began   time.Duration
	asked   time.Duration // when Next was called first
	connect time.Duration

	err    error
	first  Reason // what began the end
	state  state
	queued bool // in the ready list
	kept   bool // was offered to another process, and stays
}

func newSession(l *loop, ls *lists, client int32) *session {
	s := &session{l: l, lists: ls, began: l.now}
	s.client = end{s: s, fd: client, writable: true}
	s.server = end{s: s, fd: -1}
	s.up = flow{src: &s.client, dst: &s.server}
	s.down = flow{src: &s.server, dst: &s.client}
	return s
}

// event takes what epoll says of one end.
func (l *loop) event(e *end, ev uint32) {
	e.note(ev)
	s := e.s
	switch {
	case s.state == established:
		l.pump(s)
	case e == &s.server:
		l.answered(s, ev)
	case ev&unix.EPOLLERR != 0: // EPOLLHUP alone is a unix client that has said its last word, to be delivered
		l.end(s, ClientLeft, nil)
	default:
		for s.state == inHeader && e.readable {
			l.readHeader(s)
		}
	}
}

func (e *end) note(ev uint32) {
	if ev&(unix.EPOLLRDHUP|unix.EPOLLHUP|unix.EPOLLERR|unix.EPOLLPRI) != 0 {
		e.doubt, e.readable = true, true
	}
	if ev&unix.EPOLLPRI != 0 {
		e.urgent = true
	}
	if ev&unix.EPOLLIN != 0 {
		e.readable = true
	}
	if ev&(unix.EPOLLOUT|unix.EPOLLERR|unix.EPOLLHUP) != 0 {
		e.writable = true
	}
}

// pump moves what can be moved both ways, passes on an end of stream, and ends the session when nothing is left to do.
func (l *loop) pump(s *session) {
	up, down := l.move(&s.up), l.move(&s.down)
	if s.up.done() && s.down.done() {
		l.end(s, s.first, s.err)
		return
	}
	s.up.passEnd()
	s.down.passEnd()
	if up || down {
		l.list(s, &s.lists.idle)
	}
	if !s.queued && (s.up.willing() || s.down.willing()) {
		s.queued = true
		l.ready = append(l.ready, s)
	}
}

// passEnd tells the receiver that all is said.
func (f *flow) passEnd() {
	if f.src.eof && !f.dst.shut && !f.dst.broken && !f.holds() {
		f.dst.shut = true
		shutdownWrite(f.dst.fd)
	}
}

// said and reset remember what began the end.
func (s *session) said(e *end) { s.because(e, ClientClosed, ServerClosed, nil) }

func (s *session) reset(e *end, err unix.Errno) {
	if s.first == ClientClosed || s.first == ServerClosed {
		s.first = 0 // a reset says more than a half-close before it
	}
	s.because(e, ClientReset, ServerReset, err)
}

func (s *session) because(e *end, client, server Reason, err error) {
	if s.first != 0 {
		return
	}
	s.first, s.err = server, err
	if e == &s.client {
		s.first = client
	}
}

// open asks the front for a visit, and the visit for a server.
func (l *loop) open(s *session, a Arrival) {
	if open := s.lists.front.Open; open != nil {
		l.guard(s, "Open", func() { s.visit = open(a) })
	}
	if s.visit == nil {
		l.end(s, NoServer, nil)
		return
	}
	s.asked = l.now
	l.try(s, nil)
}

// try asks for servers until one can be waited for.
func (l *loop) try(s *session, why error) {
	for {
		found := false
		if !l.guard(s, "Next", func() { s.target, found = s.visit.Next(why) }) {
			return
		}
		if !found {
			l.end(s, NoServer, why)
			return
		}
		if why = l.dial(s); why == nil {
			return
		}
	}
}

// dial begins a connection to the session's target.
func (l *loop) dial(s *session) error {
	size, family, err := sockaddr(&s.target, &l.addr)
	if err != nil {
		return err
	}
	fd, errno := socket(family)
	if scarce(errno) {
		l.starve(s, errno)
		return nil
	}
	if errno != 0 {
		return os.NewSyscallError("socket", errno)
	}
	s.server = end{s: s, fd: fd, doubt: family == unix.AF_UNIX}
	if family != unix.AF_UNIX {
		if err := s.lists.front.tune(fd); err != nil {
			l.hangUp(&s.server)
			return err
		}
	}
	s.state = connecting
	errno = connect(fd, &l.addr, size)
	if errno != 0 && errno != unix.EINPROGRESS {
		l.hangUp(&s.server)
		return os.NewSyscallError("connect", errno)
	}
	if err := l.watch(&s.server); err != 0 {
		l.hangUp(&s.server)
		return os.NewSyscallError("epoll_ctl", err)
	}
	if errno == 0 {
		l.establish(s)
		return nil
	}
	l.list(s, &s.lists.connect)
	return nil
}

// answered looks how a connection attempt went.
func (l *loop) answered(s *session, ev uint32) {
	if ev&(unix.EPOLLERR|unix.EPOLLHUP) != 0 {
		if n, err := unix.GetsockoptInt(int(s.server.fd), unix.SOL_SOCKET, unix.SO_ERROR); err != nil || n != 0 {
			l.hangUp(&s.server)
			l.try(s, os.NewSyscallError("connect", unix.Errno(n)))
			return
		}
	}
	if ev&unix.EPOLLOUT != 0 {
		l.establish(s)
	}
}

func (l *loop) connectTimeout(s *session) {
	why := fmt.Errorf("connect: no answer in %v: %w", s.lists.front.ConnectTimeout, os.ErrDeadlineExceeded)
	if s.state == starved {
		why = os.NewSyscallError("socket", unix.EMFILE) // nobody was asked
	}
	l.hangUp(&s.server)
	s.unlist()
	l.try(s, why)
}

// establish begins to move bytes: the preamble, and what the client sent behind its PROXY header, first.
func (l *loop) establish(s *session) {
	s.state, s.server.writable = established, true
	s.connect = max(l.now-s.asked, 1)
	l.established.Add(1)
	if !l.guard(s, "Connected", s.visit.Connected) {
		return
	}
	if p := s.target.Preamble; len(p) > 0 {
		l.keep(&s.up, append(append(make([]byte, 0, len(p)+len(s.up.pend)), p...), s.up.pend...))
		l.pending.Add(int64(len(p)) - int64(len(s.up.pend)))
	}
	s.target = Target{}
	l.list(s, &s.lists.idle)
	l.pump(s)
}

// hangUp closes one socket.
func (l *loop) hangUp(e *end) {
	if e.fd < 0 {
		return
	}
	l.forget(e)
	closeFD(e.fd)
	e.fd = -1
}

// end tells the session's visit and closes it, in this order: who sees the end and connects again finds its place free.
func (l *loop) end(s *session, why Reason, err error) {
	if s.state == ended {
		return
	}
	if s.state == established {
		l.established.Add(-1)
	}
	s.state = ended
	s.unlist()
	switch why {
	case ClientReset:
		abortEnd(&s.server)
	case ServerReset:
		abortEnd(&s.client)
	}
	l.discard(&s.up)
	l.discard(&s.down)
	l.tell(s, why, err)
	l.hangUp(&s.server)
	l.hangUp(&s.client)
	l.leave(s)
}

func abortEnd(e *end) {
	if e.fd >= 0 && !e.broken {
		abort(e.fd)
	}
}

// tell is the last that a visit hears.
func (l *loop) tell(s *session, why Reason, err error) {
	if s.visit == nil {
		return
	}
	v := s.visit
	s.visit = nil
	r := Result{FromClient: s.up.total, FromServer: s.down.total, Duration: l.now - s.began, ConnectTime: s.connect, Reason: why, Err: err}
	l.guard(s, "Done", func() { v.Done(r) })
}

// leave counts off a session whose descriptors are gone.
func (l *loop) leave(s *session) {
	l.dropLists(s.lists)
	l.sessions.Add(-1)
	l.e.left()
}

// guard calls a function of the balancer. A panic there ends the session and is logged.
func (l *loop) guard(s *session, what string, f func()) (ok bool) {
	defer func() {
		if p := recover(); p != nil {
			l.e.say("a session was ended: panic", "front", s.lists.front.Name, "in", what, "panic", fmt.Sprint(p), "stack", stack())
			l.end(s, Failed, fmt.Errorf("panic in %s: %v", what, p))
			ok = false
		}
	}()
	f()
	return s.state != ended
}
