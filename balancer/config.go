// SPDX-License-Identifier: MIT

package balancer

import (
	"fmt"
	"net/netip"
	"slices"
	"time"

	"posthouse/balancer/health"
	"posthouse/config"
	"posthouse/internal/listen"
	"posthouse/upstream"
)

// Config is the balancer section: one Service a name.
type Config map[string]*Service

// Service is one balanced port. The names are NGINX's (ngx_stream_proxy_module, ngx_stream_upstream_module).
type Service struct {
	Listen        []listen.Config   `yaml:"listen"`
	Upstream      []upstream.Server `yaml:"upstream"`
	ProxyProtocol string            `yaml:"proxy_protocol"` // "", v1 or v2, spoken to the upstream
	Method        string            `yaml:"method"`         // round_robin, least_conn or hash

	ConnectTimeout       config.Duration `yaml:"connect_timeout"` // of one try
	Timeout              config.Duration `yaml:"timeout"`         // of an idle session; longer than an IMAP client's IDLE (29m)
	ProxyProtocolTimeout config.Duration `yaml:"proxy_protocol_timeout"`
	UserTimeout          config.Duration `yaml:"user_timeout"` // TCP_USER_TIMEOUT, both sides; 0: the system's
	KeepAlive            config.Duration `yaml:"keepalive"`    // idle time before probes, both sides; 0: none

	NextUpstream        bool            `yaml:"next_upstream"`
	NextUpstreamTries   int             `yaml:"next_upstream_tries"`   // 0: as many as there are servers
	NextUpstreamTimeout config.Duration `yaml:"next_upstream_timeout"` // 0: no limit
	SlowStart           config.Duration `yaml:"slow_start"`
	HealthCheck         *health.Config  `yaml:"health_check"`

	Allow                      []Access `yaml:"allow"`
	Deny                       []Access `yaml:"deny"`
	ClientConnectionCountLimit int      `yaml:"client_connection_count_limit"`
	ClientConnectionRateLimit  int      `yaml:"client_connection_rate_limit"`
	SessionLog                 bool     `yaml:"session_log"`
}

// SetDefaults are NGINX's, but for Timeout, which is 10m there, and ConnectTimeout, which is 60s.
func (s *Service) SetDefaults() {
	s.Method = "round_robin"
	s.ConnectTimeout = config.Duration(5 * time.Second)
	s.Timeout = config.Duration(35 * time.Minute)
	s.ProxyProtocolTimeout = config.Duration(30 * time.Second)
	s.NextUpstream, s.SessionLog = true, true
}

// Validate finds what cannot work, and warns of what has no effect.
func (s *Service) Validate(at config.Section) {
	oneOf(at.At("proxy_protocol"), s.ProxyProtocol, "", "v1", "v2")
	oneOf(at.At("method"), s.Method, "round_robin", "least_conn", "hash")
	s.checkListeners(at)
	s.checkServers(at)
	s.checkTimes(at)
	s.checkNext(at)
	for _, n := range []struct {
		key   string
		value int
	}{
		{"next_upstream_tries", s.NextUpstreamTries},
		{"client_connection_count_limit", s.ClientConnectionCountLimit},
		{"client_connection_rate_limit", s.ClientConnectionRateLimit},
	} {
		if n.value < 0 {
			at.At(n.key).Errorf("must not be negative; 0 is no limit")
		}
	}
}

// checkListeners wants at least one, without the keys of TLS: the balancer passes bytes on and never decrypts them.
func (s *Service) checkListeners(at config.Section) {
	if len(s.Listen) == 0 {
		at.Errorf("needs at least one listen address")
	}
	for i := range s.Listen {
		l, here := &s.Listen[i], at.At(fmt.Sprintf("listen[%d]", i))
		for _, key := range []struct {
			name string
			set  bool
		}{
			{"tls", l.TLS != ""},
			{"tls_profile", l.TLSProfile != ""},
			{"certificate", l.Certs.Certificate != ""},
			{"certificates", len(l.Certs.Certificates) > 0},
		} {
			if key.set {
				here.At(key.name).Errorf("means nothing for a balancer, which passes TLS on as it is: the servers behind it have the certificates")
			}
		}
		if l.Proxied() && l.Address.Network == "unix" {
			here.At("proxy_protocol").Errorf("who connects to a unix socket has no address, and is in no proxy_networks: nobody could")
		}
	}
}

// checkServers wants one that is no backup, and none that is the balancer itself.
func (s *Service) checkServers(at config.Section) {
	if len(s.Upstream) == 0 {
		at.Errorf("needs at least one upstream server")
		return
	}
	if !slices.ContainsFunc(s.Upstream, func(u upstream.Server) bool { return !u.Backup }) {
		at.At("upstream").Errorf("every server is a backup: at least one must not be")
	}
	if !slices.ContainsFunc(s.Upstream, func(u upstream.Server) bool { return !u.Down }) {
		at.At("upstream").Warnf("every server is down: nobody is served")
	}
	for i, u := range s.Upstream {
		here := at.At(fmt.Sprintf("upstream[%d]", i))
		if slices.ContainsFunc(s.Listen, func(l listen.Config) bool {
			return l.Address == u.Address || l.Address.Covers(u.Address) && local(u.Address)
		}) {
			here.Errorf("%s is where this service listens: it would connect to itself", u.Address)
		}
		if slices.ContainsFunc(s.Upstream[:i], func(o upstream.Server) bool { return o.Address == u.Address }) {
			here.Warnf("%s stands here a second time; give it a weight instead", u.Address)
		}
	}
}

// local reports an address that leads to this machine whatever it is.
func local(a config.Address) bool {
	ip, err := netip.ParseAddr(a.Host)
	return err == nil && (ip.IsLoopback() || ip.IsUnspecified())
}

// idle is how long an IMAP client may be silent (RFC 2177: it says IDLE anew within 29 minutes).
const idle = config.Duration(29 * time.Minute)

// checkTimes wants those that bound something to be more than nothing.
func (s *Service) checkTimes(at config.Section) {
	for _, d := range []struct {
		key   string
		value config.Duration
	}{
		{"connect_timeout", s.ConnectTimeout},
		{"timeout", s.Timeout},
		{"proxy_protocol_timeout", s.ProxyProtocolTimeout},
	} {
		if d.value <= 0 {
			at.At(d.key).Errorf("must be more than nothing")
		}
	}
	if s.KeepAlive > 0 && s.KeepAlive < config.Duration(time.Second) {
		at.At("keepalive").Errorf("%s is too short: the system counts in seconds", s.KeepAlive)
	}
	if s.UserTimeout > 0 && s.UserTimeout < config.Duration(time.Second) {
		at.At("user_timeout").Errorf("%s would cut connections that lose one packet: give it a second at least", s.UserTimeout)
	}
	if s.Timeout > 0 && s.Timeout <= idle && s.carriesIMAP() {
		at.At("timeout").Warnf("%s cuts IMAP clients that wait in IDLE, which are silent for up to 29m: make it longer than that", s.Timeout)
	}
}

// carriesIMAP reports one of IMAP's ports, in front or behind.
func (s *Service) carriesIMAP() bool {
	imap := func(a config.Address) bool { return a.Port == 143 || a.Port == 993 }
	return slices.ContainsFunc(s.Listen, func(l listen.Config) bool { return imap(l.Address) }) ||
		slices.ContainsFunc(s.Upstream, func(u upstream.Server) bool { return imap(u.Address) })
}

// checkNext warns of what the other keys make ineffective.
func (s *Service) checkNext(at config.Section) {
	if !s.NextUpstream && s.NextUpstreamTries > 1 {
		at.At("next_upstream_tries").Warnf("has no effect with next_upstream: false")
	}
	if !s.NextUpstream && s.NextUpstreamTimeout > 0 {
		at.At("next_upstream_timeout").Warnf("has no effect with next_upstream: false")
	}
	if s.Method == "hash" && s.SlowStart > 0 {
		at.At("slow_start").Warnf("has no effect with method: hash, which sends each client to its own server")
	}
}

// version is what is spoken to the upstream: 0, 1 or 2.
func (s *Service) version() int {
	switch s.ProxyProtocol {
	case "v1":
		return 1
	case "v2":
		return 2
	}
	return 0
}

// hostNames are the servers' hosts that have to be looked up, each once.
func (s *Service) hostNames() []string {
	var names []string
	for _, u := range s.Upstream {
		if named(u) && !slices.Contains(names, u.Address.Host) {
			names = append(names, u.Address.Host)
		}
	}
	return names
}

// named reports a server whose host is a name.
func named(u upstream.Server) bool {
	_, err := netip.ParseAddr(u.Address.Host)
	return u.Address.Network == "tcp" && !u.Down && err != nil
}

func oneOf(at config.Section, got string, words ...string) {
	if !slices.Contains(words, got) {
		at.Errorf("unknown word %q: use one of %q", got, words)
	}
}
