// SPDX-License-Identifier: MIT

package smtpd

import (
	"fmt"
	"time"

	"posthouse/certs"
	"posthouse/internal/listen"
)

// certificates are those that a listener shows: its own, or else the service's. A listener that has been promised some
// never goes on with others, or with none.
func (o *Options) certificates(c listen.Config) (*certs.Store, error) {
	store := o.TLS
	if c.Certified() {
		store = o.ListenerTLS[c.Address]
	}
	switch {
	case store == nil && c.Certified():
		return nil, fmt.Errorf("listener %s: its own certificates have not been opened", c.Address)
	case store == nil && c.TLS != "":
		return nil, fmt.Errorf("listener %s: tls is %s, but there is no certificate", c.Address, c.TLS)
	}
	return store, nil
}

// profile is the one of that name, or the service's.
func profile(name string, def certs.Profile) certs.Profile {
	switch name {
	case "port25":
		return certs.Port25
	case "submission":
		return certs.Submission
	}
	return def
}

// notAfter is when the first certificate of all listeners expires; the zero time without TLS.
func (o *Options) notAfter() (first time.Time) {
	note := func(s *certs.Store) {
		if t := s.NotAfter(); first.IsZero() || t.Before(first) {
			first = t
		}
	}
	if o.TLS != nil {
		note(o.TLS)
	}
	for _, s := range o.ListenerTLS {
		note(s)
	}
	return first
}

// expiry is notAfter of the options in force; nil without TLS.
func (s *Server) expiry() func() time.Time {
	if s.options.Load().notAfter().IsZero() {
		return nil
	}
	return func() time.Time { return s.options.Load().notAfter() }
}
