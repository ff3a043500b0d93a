// SPDX-License-Identifier: MIT

package smtpd

import (
	"net/netip"

	"posthouse/limit"
	"posthouse/reply"
)

// exempt reports an address of mynetworks. A proxy that speaks for itself has no address here, and is never exempt.
func (o *Options) exempt(a netip.Addr) bool {
	for _, n := range o.Mynetworks {
		if a.IsValid() && n.Contains(a) {
			return true
		}
	}
	return false
}

// admit holds a client to its number of connections, at once and a minute.
func (s *Server) admit(c *conn) error {
	cfg := &c.o.Config
	if c.key == "" {
		return nil
	}
	if n := cfg.ClientConnectionCountLimit; n > 0 {
		if !s.clients.Acquire(c.key, n) {
			s.metrics.refused.WithLabelValues("client_connection_count_limit").Inc()
			return reply.TooManyConns
		}
		c.counted = true
	}
	if n := cfg.ClientConnectionRateLimit; n > 0 && s.rates.Add(c.key, 1) > n {
		s.metrics.refused.WithLabelValues("client_connection_rate_limit").Inc()
		return reply.TooFast
	}
	return nil
}

// limitKey is the client for counting, "" for those who are exempt.
func (o *Options) limitKey(a netip.Addr) string {
	if !a.IsValid() || o.exempt(a) {
		return ""
	}
	return limit.Client(a)
}
