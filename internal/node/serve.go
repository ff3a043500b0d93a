// SPDX-License-Identifier: MIT

package node

import (
	"context"
	"errors"
	"net"

	"posthouse/certs"
	"posthouse/internal/listen"
	"posthouse/smtpd"
)

// listen makes the server and opens its sockets, all of them or none.
func (s *service) listen(ctx context.Context) (err error) {
	w := s.way.Load()
	if s.server, err = smtpd.New(s.serverOptions(w)); err != nil {
		return err
	}
	for _, c := range w.Listen {
		l, err := listen.Open(ctx, c)
		if err != nil {
			return errors.Join(err, s.closeSockets())
		}
		s.sockets = append(s.sockets, l)
		s.listeners = append(s.listeners, Listener{s.label, l.Addr().String(), note(c)})
	}
	return nil
}

// closeSockets is for those that were never served: the server closes its own, and twice is no matter.
func (s *service) closeSockets() error {
	var errs []error
	for _, l := range s.sockets {
		if err := l.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// note says in a word what is special about a listener.
func note(c listen.Config) string {
	var notes string
	switch {
	case c.Implicit():
		notes = " TLS"
	case c.TLS == "required":
		notes = " STARTTLS required"
	}
	if c.Proxied() {
		notes += " PROXY"
	}
	return notes
}

// serverOptions are the frame's, by one way.
func (s *service) serverOptions(w *way) smtpd.Options {
	profile := certs.Port25
	if s.name == SMTPOut {
		profile = certs.Submission
	}
	n := w.snapshot
	return smtpd.Options{
		Name: s.name, Service: w.rules, Spool: s.store, Config: *w.Config, Node: string(n.Self.Host),
		TLS: w.certificates, ListenerTLS: w.listenerTLS, Profile: profile, Mynetworks: n.networks(), Postmaster: string(n.Config.Cluster),
		Resolver: n.names, Free: s.store.Free, Log: s.log, Metrics: s.registry,
	}
}

func (s *service) serve(stop, hard context.Context) error {
	doors := s.way.Load().Listen // a reload leaves them
	failed := make(chan error, len(s.sockets))
	for i, l := range s.sockets {
		go func() { failed <- s.server.Serve(l, doors[i]) }()
	}
	var err error
	select {
	case <-stop.Done():
	case err = <-failed:
	}
	return errors.Join(err, s.server.Shutdown(hard))
}
