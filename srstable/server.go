// SPDX-License-Identifier: MIT

package srstable

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"posthouse/srs"
)

// Defaults of Options. Postfix keeps a connection for as long as its process lives, and asks rarely: PostSRSd waits as long.
// Each cleanup and smtpd process has one to each table.
const (
	DefaultIdle        = 30 * time.Minute
	DefaultConnections = 1000
)

// Options are what the tables answer from. Rewriter and Log are required.
type Options struct {
	Rewriter       *srs.Rewriter
	AlwaysRewrite  bool          // also senders in the rewriting domain
	Verbose        bool          // log each rewriting
	Idle           time.Duration // until a silent connection is closed [DefaultIdle]
	MaxConnections int           // over all tables [DefaultConnections]
	Log            *slog.Logger
}

// Kind is what is asked on a socket.
type Kind string

// The two tables of PostSRSd 1, each on a port of its own, and the one socket of PostSRSd 2.
const (
	Forward   Kind = "forward"
	Reverse   Kind = "reverse"
	Socketmap Kind = "socketmap"
)

// Server answers on any number of sockets.
type Server struct {
	options Options
	full    atomic.Int64 // when it was last said that there are too many connections

	mu       sync.Mutex
	conns    map[net.Conn]bool
	stopping bool
	ending   sync.WaitGroup
}

// New returns a Server of the defaults for what is zero.
func New(o Options) *Server {
	if o.Idle <= 0 {
		o.Idle = DefaultIdle
	}
	if o.MaxConnections <= 0 {
		o.MaxConnections = DefaultConnections
	}
	return &Server{options: o, conns: map[net.Conn]bool{}}
}

// dialect is how a kind of socket is spoken to.
func (s *Server) dialect(kind Kind) (dialect, error) {
	switch kind {
	case Forward:
		return tcpTable(s.forward), nil
	case Reverse:
		return tcpTable(s.reverse), nil
	case Socketmap:
		return socketmap(map[string]question{"forward": s.forward, "reverse": s.reverse}), nil
	}
	return nil, fmt.Errorf("no table %q", kind)
}

// Serve answers on one socket until it is closed, which is no error.
func (s *Server) Serve(l net.Listener, kind Kind) error {
	speak, err := s.dialect(kind)
	if err != nil {
		return err
	}
	for {
		conn, err := l.Accept()
		if errors.Is(err, net.ErrClosed) {
			return nil
		}
		if err != nil {
			s.options.Log.Warn("cannot accept", "table", kind, "error", err)
			time.Sleep(100 * time.Millisecond) // most likely out of descriptors: some will be given back
			continue
		}
		if !s.admit(conn) {
			_ = conn.Close()
			continue
		}
		go func() {
			defer s.leave(conn)
			s.converse(conn, speak)
		}()
	}
}

// admit counts a connection, unless there are too many.
func (s *Server) admit(conn net.Conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopping {
		return false
	}
	if len(s.conns) >= s.options.MaxConnections {
		s.sayFull()
		return false
	}
	s.conns[conn] = true
	s.ending.Add(1)
	return true
}

// sayFull says so once a minute.
func (s *Server) sayFull() {
	now := time.Now().Unix()
	if last := s.full.Load(); now-last >= 60 && s.full.CompareAndSwap(last, now) {
		s.options.Log.Warn("too many connections, new ones are closed", "connections", s.options.MaxConnections)
	}
}

func (s *Server) leave(conn net.Conn) {
	_ = conn.Close()
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.conns, conn)
	s.ending.Done()
}

// Stop reads no further requests, and returns when those that were read are answered, at the latest when ctx ends.
func (s *Server) Stop(ctx context.Context) {
	s.each(func(c net.Conn) {
		if half, ok := c.(interface{ CloseRead() error }); ok {
			_ = half.CloseRead()
			return
		}
		_ = c.Close()
	})
	done := make(chan struct{})
	go func() { s.ending.Wait(); close(done) }()
	select {
	case <-done:
	case <-ctx.Done():
		s.each(func(c net.Conn) { _ = c.Close() })
		<-done
	}
}

// each lets no connection in any more, and does something to those that are there.
func (s *Server) each(end func(net.Conn)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stopping = true
	for c := range s.conns {
		end(c)
	}
}
