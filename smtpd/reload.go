// SPDX-License-Identifier: MIT

package smtpd

import (
	"errors"

	"posthouse/internal/listen"
)

// Reload puts other options in force for connections that begin from now on; those that are open keep what they began
// with. Name, Spool, Free, Log, Metrics and Now stay as they were, and so do the listeners. After an error nothing has
// changed.
func (s *Server) Reload(o Options) error {
	if o.Service == nil || o.Config.Hostname == "" {
		return errors.New("smtpd needs a Service and a hostname")
	}
	old := s.options.Load()
	o.Name, o.Spool, o.Free, o.Log, o.Metrics, o.Now = old.Name, old.Spool, old.Free, old.Log, old.Metrics, old.Now
	for _, c := range s.open() {
		if _, err := o.guardOptions(c); err != nil {
			return err
		}
	}
	s.use(&o)
	return nil
}

// open are the listeners that are served.
func (s *Server) open() []listen.Config {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []listen.Config
	for _, c := range s.listeners {
		out = append(out, c)
	}
	return out
}
