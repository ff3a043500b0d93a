// SPDX-License-Identifier: MIT

package node

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"time"

	"posthouse/balancer"
	"posthouse/balancer/handover"
	"posthouse/balancer/loop"
	"posthouse/internal/admin"
	"posthouse/internal/daemon"
)

// Times of a hand-over.
const (
	readyTimeout = 30 * time.Second             // from a successor's hello until it is ready
	startTimeout = readyTimeout + 5*time.Second // of one that we have started
	giveTimeout  = time.Minute                  // for sessions that are still connecting
	silence      = giveTimeout + 30*time.Second // of a predecessor that gives sessions
)

// succession is how a balancer is replaced by a process of another binary without losing a client: it hands over to whoever
// asks at its socket, and at SIGUSR2 starts somebody who does. The new one has asked its own predecessor in the same way.
type succession struct {
	*process
	balancing  *balancing
	socket     *admin.Private
	handedOver func() // another process is the service
	leave      func() // this one has nothing left to do
}

// ErrNotAlone means that a process of several services cannot take over, or be taken over from.
var ErrNotAlone = errors.New("only a balancer that runs as a process of its own can be taken over from a running one")

// HandoverSocket is where a running balancer of this node waits for its successor.
func (c *Cluster) HandoverSocket() string { return filepath.Join(c.dirOf(Balancer), "handover.sock") }

// begin adds what comes before all other parts: in a process that takes over, the question for the listeners.
func (s *succession) begin() error {
	if !s.TakeOver {
		return nil
	}
	if len(s.Services) != 1 || s.Services[0] != Balancer {
		return ErrNotAlone
	}
	s.daemon.Add(daemon.Part{
		Name: "take-over",
		Start: func(ctx context.Context) (err error) {
			ctx, cancel := context.WithTimeout(ctx, readyTimeout)
			defer cancel()
			s.ports.from, err = handover.Dial(ctx, s.current.HandoverSocket())
			return err
		},
		Close: func() error { return s.ports.from.Close() },
	})
	return nil
}

// addPart adds the socket for a successor, behind all that it will take over. Its start is also the moment at which a process
// that takes over becomes the service.
func (s *succession) addPart() {
	if len(s.services) != 1 {
		return
	}
	alone, ok := s.services[0].(*balancing)
	if !ok {
		return
	}
	s.balancing = alone
	s.daemon.Add(daemon.Part{Name: "hand-over", Start: s.start, Run: s.run, Close: func() error { return s.close() }})
	if s.Successor != nil {
		s.daemon.Upgrade = s.upgrade
	}
}

func (s *succession) start(ctx context.Context) (err error) {
	if s.socket, err = s.ports.private("unixpacket", s.current.HandoverSocket()); err != nil {
		return err
	}
	if s.ports.from == nil {
		return nil
	}
	if err := s.succeed(ctx); err != nil {
		return errors.Join(err, s.close())
	}
	return nil
}

func (s *succession) close() error {
	if err := s.socket.Close(); !errors.Is(err, net.ErrClosed) {
		return err
	}
	return nil
}

// succeed waits for the predecessor's word. What is drained there is drained here, and what is unwell there is unwell.
func (s *succession) succeed(ctx context.Context) error {
	from := s.ports.from
	how, alone, err := from.Ready(ctx, time.Now().Add(readyTimeout))
	if err != nil {
		return err
	}
	s.ports.own()
	if alone {
		s.Log.Warn("the process before has died; its sessions are lost, its listeners are not", "pid", from.PID)
		return nil
	}
	s.balancing.balancer.SetUnwell(how.Unwell)
	if err := s.balancing.balancer.SetDrained(how.Drained); err != nil {
		s.Log.Error("not everything that was drained is", "error", err) // too late to go back
	}
	return nil
}

// run takes the sessions of the process before, and then waits for the one after.
func (s *succession) run(stop, hard context.Context) error {
	s.adopt(stop)
	release := context.AfterFunc(stop, func() { _ = s.close() })
	defer release()
	for {
		c, err := s.socket.AcceptUnix()
		if err != nil {
			if stop.Err() != nil {
				return nil
			}
			return err
		}
		if s.handOver(stop, hard, c) {
			s.leave()
			return nil
		}
	}
}

// adopt takes sessions, until there are no more.
func (s *succession) adopt(stop context.Context) {
	if s.ports.from == nil {
		return
	}
	n, err := s.ports.from.Sessions(stop, silence, func(t handover.Session) error {
		return s.balancing.balancer.Adopt(t.Transfer, t.Info)
	})
	if err != nil {
		s.Log.Warn("sessions that could not be taken over stay with the process before", "error", err)
	}
	s.Log.Info("took over", "pid", s.ports.from.PID, "sessions", n)
}

// handOver gives everything to a successor, and reports that it has it.
func (s *succession) handOver(stop, hard context.Context, c *net.UnixConn) bool {
	next, err := handover.Meet(c)
	if err != nil {
		s.Log.Warn("a process that wanted to take over was refused", "error", err)
		return false
	}
	s.Log.Info("a process wants to take over", "pid", next.PID)
	if err := s.yield(stop, next); err != nil {
		next.Refuse(err)
		s.Log.Error("not handed over, this process goes on", "pid", next.PID, "error", err)
		return false
	}
	s.give(hard, next)
	return true
}

// yield makes the successor the service. With an error it is not, and nothing has changed.
func (s *succession) yield(stop context.Context, next *handover.Successor) error {
	if err := next.Offer(s.ports.all); err != nil {
		return err
	}
	if err := next.Await(stop, time.Now().Add(readyTimeout)); err != nil {
		return err
	}
	err := s.balancing.yield(func(how handover.Standing) error {
		if err := s.daemon.HandOver(next.PID); err != nil {
			s.Log.Warn("service manager not told of the new process", "pid", next.PID, "error", err)
		}
		return next.Go(how)
	})
	if err != nil {
		s.takeBack()
		return fmt.Errorf("process %d died when it was ready: %w", next.PID, err)
	}
	s.ports.leave()
	s.handedOver()
	return nil
}

// takeBack tells the manager that this process is the service after all.
func (s *succession) takeBack() {
	if err := s.daemon.HandOver(os.Getpid()); err != nil {
		s.Log.Warn("service manager not told that this process goes on", "error", err)
	}
}

// give gives the sessions away. Those that cannot be given stay, and are ended as at any stop.
func (s *succession) give(hard context.Context, next *handover.Successor) {
	ctx, cancel := context.WithTimeout(hard, giveTimeout)
	defer cancel()
	n := 0
	err := s.balancing.balancer.Surrender(ctx, func(t loop.Transfer, i balancer.Info) error {
		err := next.Give(handover.Session{Transfer: t, Info: i})
		if err == nil {
			n++
		}
		return err
	})
	if err := errors.Join(err, next.End()); err != nil {
		s.Log.Warn("not all sessions were handed over", "pid", next.PID, "error", err)
	}
	s.Log.Info("handed over", "pid", next.PID, "sessions", n)
}
