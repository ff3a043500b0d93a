// SPDX-License-Identifier: MIT

package handover

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"syscall"
	"time"

	"posthouse/balancer"
)

// Listener is an open socket by the name under which the other process looks for it. Several may have the same.
type Listener struct {
	Name   string
	Socket net.Listener // *net.TCPListener or *net.UnixListener
	Unlink bool         // the process removes the socket's file when it stops
}

// announced is the body of a listener's packet.
type announced struct {
	Name   string `json:"name"`
	Unlink bool   `json:"unlink,omitempty"`
}

// giver is the body of the end of listeners. The kernel knows only who opened the socket, which was perhaps a process long ago.
type giver struct {
	PID int `json:"pid"`
}

// Successor is the process that takes over, as the running one sees it. Make it with Meet.
type Successor struct {
	PID  int
	link *link
	gone error // it is no more: every Give fails
}

// Meet greets whoever has connected: a process of this user that speaks this version. The connection is the Successor's, or
// closed.
func Meet(c *net.UnixConn) (*Successor, error) {
	s := &Successor{link: newLink(c)}
	if err := s.meet(); err != nil {
		s.Refuse(err)
		return nil, err
	}
	return s, nil
}

func (s *Successor) meet() (err error) {
	if s.PID, err = peer(s.link.conn); err != nil {
		return err
	}
	p, err := s.link.receive(time.Now().Add(patience))
	if err != nil {
		return fmt.Errorf("hello: %w", err)
	}
	defer p.close()
	var g greeting
	if err := p.decode(hello, &g); err != nil {
		return err
	}
	if g.Version != Version {
		return fmt.Errorf("process %d speaks version %d of the hand-over, this one %d: restart the service instead", s.PID, g.Version, Version)
	}
	return nil
}

// Offer sends the listeners. They stay open here.
func (s *Successor) Offer(all []Listener) error {
	for _, l := range all {
		if err := s.offer(l); err != nil {
			return fmt.Errorf("listener %s: %w", l.Name, err)
		}
	}
	return s.link.tell(end, giver{os.Getpid()})
}

func (s *Successor) offer(l Listener) error {
	socket, ok := l.Socket.(syscall.Conn)
	if !ok {
		return fmt.Errorf("a %T has no descriptor", l.Socket)
	}
	raw, err := socket.SyscallConn()
	if err != nil {
		return err
	}
	var failed error
	if err := raw.Control(func(fd uintptr) { failed = s.link.tell(listener, announced{l.Name, l.Unlink}, int(fd)) }); err != nil {
		return err
	}
	return failed
}

// Await waits until the successor is ready, or the deadline, or ctx ends.
func (s *Successor) Await(ctx context.Context, deadline time.Time) error {
	release := context.AfterFunc(ctx, func() { _ = s.link.conn.CloseRead() })
	defer release()
	p, err := s.link.receive(deadline)
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.Is(err, os.ErrDeadlineExceeded):
		return fmt.Errorf("process %d is not ready in time", s.PID)
	case err != nil:
		return fmt.Errorf("process %d ended before it was ready: %w", s.PID, err)
	}
	defer p.close()
	return p.decode(ready, nil)
}

// Standing is how the servers stand, which Go tells.
type Standing struct {
	Drained []string          `json:"drained,omitempty"`
	Unwell  []balancer.Unwell `json:"unwell,omitempty"`
}

// Go makes the successor the service. An error says that it is not: it has died in between.
func (s *Successor) Go(how Standing) error { return s.link.tell(goOn, how) }

// Give sends a session and waits until it is the successor's. Its descriptors here are then closed. With an error it stays
// here, and the successor does not have it.
func (s *Successor) Give(t Session) error {
	if s.gone != nil {
		return s.gone
	}
	if err := s.give(t); err != nil {
		if !errors.Is(err, ErrRefused) {
			s.gone = fmt.Errorf("process %d takes no sessions any more: %w", s.PID, err)
		}
		return err
	}
	_, _ = syscall.Close(t.Transfer.Client), syscall.Close(t.Transfer.Server)
	return nil
}

func (s *Successor) give(t Session) error {
	if err := s.link.tell(session, recordOf(t), t.Transfer.Client, t.Transfer.Server); err != nil {
		return err
	}
	if err := s.link.sendData(t.Transfer.ToServer); err != nil {
		return err
	}
	if err := s.link.sendData(t.Transfer.ToClient); err != nil {
		return err
	}
	p, err := s.link.receive(time.Now().Add(patience))
	if errors.Is(err, os.ErrDeadlineExceeded) {
		p, err = s.lastWord()
	}
	if err != nil {
		return fmt.Errorf("session not acknowledged: %w", err)
	}
	defer p.close()
	return p.decode(ack, nil)
}

// lastWord ends the waiting so that both sides agree: after CloseRead an ack cannot be sent any more, and one that was sent
// before is still there to be read.
func (s *Successor) lastWord() (*packet, error) {
	if err := s.link.conn.CloseRead(); err != nil {
		return nil, err
	}
	return s.link.receive(time.Now().Add(patience))
}

// End says that there are no more sessions, and hangs up.
func (s *Successor) End() error { return errors.Join(s.link.tell(end, nil), s.link.close()) }

// Refuse says why nothing will be handed over, and hangs up.
func (s *Successor) Refuse(reason error) {
	s.link.refuse(reason)
	_ = s.link.close()
}
