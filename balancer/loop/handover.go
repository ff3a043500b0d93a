// SPDX-License-Identifier: MIT

//go:build linux

package loop

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"golang.org/x/sys/unix"
)

// lot is how many sessions of a loop stand still at a time while they are given away.
const lot = 32

// Surrender gives every session away, once it is established; the doors are closed already. Give is called by the caller's
// goroutine and may block; meanwhile the session stands still. When it returns nil, the two descriptors are the receiver's
// and the Visit is told Done with HandedOver; an error leaves the session here, and it goes on. Surrender returns when none
// is left to give, or when ctx ends, and says how many stay and why.
func (e *Engine) Surrender(ctx context.Context, give func(Transfer) error) error {
	stay, why := 0, error(nil)
	for {
		lent, left := e.lend()
		for _, s := range lent {
			err := ctx.Err()
			if err == nil {
				err = give(s.transfer())
			}
			if err == nil {
				s.l.call(func() { s.l.gone(s) })
				continue
			}
			if stay++; why == nil {
				why = err
			}
			s.l.call(func() { s.l.takeBack(s) })
		}
		switch {
		case ctx.Err() != nil:
			return fmt.Errorf("hand-over: %d sessions stay: %w", e.count.Load(), context.Cause(ctx))
		case left == 0 && stay > 0:
			return fmt.Errorf("hand-over: %d sessions stay, the first because: %w", stay, why)
		case left == 0:
			return nil
		case len(lent) == 0:
			rest(ctx)
		}
	}
}

// rest is for those that are still connecting.
func rest(ctx context.Context) {
	select {
	case <-ctx.Done():
	case <-time.After(5 * time.Millisecond):
	}
}

// lend takes some sessions out of their loops. Left counts those and the ones that are not established yet.
func (e *Engine) lend() (lent []*session, left int) {
	for _, l := range e.all {
		l.call(func() {
			for _, end := range l.ends {
				if end == nil || end != &end.s.client || end.s.kept {
					continue
				}
				left++
				if end.s.state == established && len(lent) < lot*len(e.all) {
					l.detach(end.s)
					lent = append(lent, end.s)
				}
			}
		})
	}
	return lent, left
}

// detach makes a session stand still: no event for it is heard, and its bytes are in memory.
func (l *loop) detach(s *session) {
	for _, f := range []*flow{&s.up, &s.down} {
		if f.pipe != nil {
			l.unpipe(f)
		}
	}
	for _, e := range []*end{&s.client, &s.server} {
		epollControl(l.ep, unix.EPOLL_CTL_DEL, int(e.fd), &unix.EpollEvent{})
		l.forget(e)
	}
	s.unlist()
	s.state = lent
	l.established.Add(-1)
}

func (s *session) transfer() Transfer {
	return Transfer{
		Front: s.lists.front.Name, Client: int(s.client.fd), Server: int(s.server.fd),
		ToServer: s.up.pend, ToClient: s.down.pend, ClientEOF: s.client.eof, ServerEOF: s.server.eof,
		ClientLost: s.client.broken, ServerLost: s.server.broken, FromClient: s.up.total, FromServer: s.down.total,
		Began: s.l.e.start.Add(s.began), ConnectTime: s.connect, Visit: s.visit,
	}
}

// gone forgets a session that somebody else has.
func (l *loop) gone(s *session) {
	s.state = ended
	s.client.fd, s.server.fd = -1, -1
	l.discard(&s.up)
	l.discard(&s.down)
	l.tell(s, HandedOver, nil)
	l.leave(s)
}

// takeBack goes on with a session that nobody took.
func (l *loop) takeBack(s *session) {
	s.kept = true
	l.join(s)
}

// join watches an established session from now on. Epoll tells first how its sockets are now.
func (l *loop) join(s *session) {
	s.state = established
	l.established.Add(1)
	if l.e.cutting.Load() {
		l.end(s, Stopped, nil)
		return
	}
	for _, e := range []*end{&s.client, &s.server} {
		if err := l.watch(e); err != 0 {
			l.end(s, Failed, err)
			return
		}
	}
	l.list(s, &s.lists.idle)
	l.pump(s)
}

// Adopt takes a session from another process or engine. Its descriptors are the engine's afterwards, also when it fails. V
// is told Done, and nothing else, unless Adopt fails. Transfer.Visit is not looked at.
func (e *Engine) Adopt(t Transfer, f *Front, v Visit) error {
	err := t.check()
	if err == nil {
		l := e.quietest()
		e.count.Add(1)
		l.sessions.Add(1)
		if l.do(func() { l.adopt(t, f, v) }) {
			return nil
		}
		l.sessions.Add(-1)
		e.count.Add(-1)
		err = net.ErrClosed
	}
	unix.Close(t.Client)
	unix.Close(t.Server)
	return fmt.Errorf("adopt a session of %s: %w", t.Front, err)
}

func (t *Transfer) check() error {
	if len(t.ToServer) > MaxPending || len(t.ToClient) > MaxPending {
		return errors.New("it has too many bytes pending")
	}
	for _, fd := range []int{t.Client, t.Server} {
		if err := unix.SetNonblock(fd, true); err != nil {
			return fmt.Errorf("its descriptor: %w", err)
		}
		unix.CloseOnExec(fd)
	}
	return nil
}

func (e *Engine) quietest() *loop {
	best := e.all[0]
	for _, l := range e.all[1:] {
		if l.sessions.Load() < best.sessions.Load() {
			best = l
		}
	}
	return best
}

func (l *loop) adopt(t Transfer, f *Front, v Visit) {
	s := newSession(l, l.listsOf(f), int32(t.Client))
	s.server.fd, s.server.writable = int32(t.Server), true
	s.client.doubt, s.server.doubt = !isTCP(t.Client), !isTCP(t.Server)
	s.visit, s.began, s.connect = v, t.Began.Sub(l.e.start), t.ConnectTime
	s.up.total, s.down.total = t.FromClient, t.FromServer
	l.keep(&s.up, t.ToServer)
	l.keep(&s.down, t.ToClient)
	s.ended(&s.client, t.ClientEOF, t.ClientLost)
	s.ended(&s.server, t.ServerEOF, t.ServerLost)
	l.join(s)
}

// ended notes how a side of a session that comes from elsewhere had ended there.
func (s *session) ended(e *end, eof, lost bool) {
	if e.eof, e.broken = eof, lost; lost {
		s.reset(e, unix.ECONNRESET)
	} else if eof {
		s.said(e)
	}
}

func isTCP(fd int) bool {
	family, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_DOMAIN)
	return err == nil && family != unix.AF_UNIX
}

// cut ends all sessions of this loop.
func (l *loop) cut() {
	for _, e := range l.ends {
		if e != nil {
			l.end(e.s, Stopped, nil)
		}
	}
}
