// SPDX-License-Identifier: MIT

// Package balancer holds the configuration of the TCP balancer: named services, each with listeners in front and a group of
// upstream servers behind, primaries and backups, in NGINX's words (ngx_stream_upstream_module). The balancer itself does
// not run yet; its section is parsed and checked so that one file describes the cluster.
package balancer

import (
	"slices"
	"time"

	"posthouse/config"
	"posthouse/internal/listen"
	"posthouse/upstream"
)

// Config is the balancer section: one Service a name.
type Config map[string]*Service

// Service is one balanced port.
type Service struct {
	Listen         []listen.Config   `yaml:"listen"`
	Upstream       []upstream.Server `yaml:"upstream"`
	ProxyProtocol  string            `yaml:"proxy_protocol"` // "", v1 or v2, spoken to the upstream
	Method         string            `yaml:"method"`         // round_robin, least_conn or hash
	ConnectTimeout config.Duration   `yaml:"connect_timeout"`
	Timeout        config.Duration   `yaml:"timeout"` // of an idle session; longer than an IMAP client's IDLE (29m)
	NextUpstream   bool              `yaml:"next_upstream"`
	SlowStart      config.Duration   `yaml:"slow_start"`
	HealthCheck    *HealthCheck      `yaml:"health_check"`
	Allow          []config.Network  `yaml:"allow"`
	Deny           []config.Network  `yaml:"deny"`

	ClientConnectionCountLimit int `yaml:"client_connection_count_limit"`
	ClientConnectionRateLimit  int `yaml:"client_connection_rate_limit"`
}

// HealthCheck asks each server on its own, beside what clients see.
type HealthCheck struct {
	Protocol string          `yaml:"protocol"` // tcp, smtp, imap, pop3 or sieve
	Interval config.Duration `yaml:"interval"`
	Rise     int             `yaml:"rise"`
	Fall     int             `yaml:"fall"`
}

// SetDefaults are NGINX's but for Timeout.
func (s *Service) SetDefaults() {
	s.Method = "round_robin"
	s.ConnectTimeout = config.Duration(5 * time.Second)
	s.Timeout = config.Duration(35 * time.Minute)
	s.NextUpstream = true
}

// SetDefaults asks every five seconds.
func (h *HealthCheck) SetDefaults() {
	h.Protocol, h.Interval, h.Rise, h.Fall = "tcp", config.Duration(5*time.Second), 1, 1
}

// Validate checks words and that there is something in front and behind.
func (s *Service) Validate(at config.Section) {
	oneOf(at.At("proxy_protocol"), s.ProxyProtocol, "", "v1", "v2")
	oneOf(at.At("method"), s.Method, "round_robin", "least_conn", "hash")
	if len(s.Listen) == 0 {
		at.Errorf("needs at least one listen address")
	}
	if len(s.Upstream) == 0 {
		at.Errorf("needs at least one upstream server")
	}
	if len(s.Upstream) > 0 && !slices.ContainsFunc(s.Upstream, func(u upstream.Server) bool { return !u.Backup }) {
		at.At("upstream").Errorf("every server is a backup: at least one must not be")
	}
}

// Validate checks the protocol.
func (h *HealthCheck) Validate(at config.Section) {
	oneOf(at.At("protocol"), h.Protocol, "tcp", "smtp", "imap", "pop3", "sieve")
}

func oneOf(at config.Section, got string, words ...string) {
	if !slices.Contains(words, got) {
		at.Errorf("unknown word %q: use one of %q", got, words)
	}
}
