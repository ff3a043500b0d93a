// SPDX-License-Identifier: MIT

package smtpd

import (
	"context"
	"net"

	"posthouse/internal/listen"
)

// Shutdown closes the listeners, tells clients between two transactions 421, and waits for the others until ctx ends; then
// the rest is cut off and ctx's error returned. It may be called once.
func (s *Server) Shutdown(ctx context.Context) error {
	for _, c := range s.stop() {
		c.guard.Stop()
	}
	defer s.cancel()
	select {
	case <-s.gone:
		return nil
	case <-ctx.Done():
	}
	s.cancel()
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.conns {
		c.guard.Abort()
	}
	return ctx.Err()
}

// stop marks the end and returns who is here.
func (s *Server) stop() []*conn {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopping {
		return nil
	}
	s.stopping = true
	for l := range s.listeners {
		_ = l.Close()
	}
	if len(s.conns) == 0 {
		close(s.gone)
	}
	var out []*conn
	for c := range s.conns {
		out = append(out, c)
	}
	return out
}

func (s *Server) isStopping() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.stopping
}

func (s *Server) register(l net.Listener, c listen.Config) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopping {
		return false
	}
	s.listeners[l] = c
	return true
}

func (s *Server) unregister(l net.Listener) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.listeners, l)
}

// enter counts a connection in. False: there are too many, or we are closing.
func (s *Server) enter(c *conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopping || len(s.conns) >= s.maximum {
		return false
	}
	s.conns[c] = struct{}{}
	s.metrics.open.Inc()
	return true
}

func (s *Server) leave(c *conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.conns, c)
	s.metrics.open.Dec()
	if s.stopping && len(s.conns) == 0 {
		close(s.gone)
	}
}
