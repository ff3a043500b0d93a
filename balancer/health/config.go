// SPDX-License-Identifier: MIT

package health

import (
	"net/netip"
	"slices"
	"time"

	"posthouse/config"
)

// Config is the block health_check of a balanced service.
type Config struct {
	Protocol  string          `yaml:"protocol"`    // tcp, smtp, lmtp, imap, pop3 or sieve
	TLS       string          `yaml:"tls"`         // "": none; implicit: from the first octet; starttls
	TLSName   string          `yaml:"tls_name"`    // that the certificate is for; "": the server's host name
	TLSCAFile config.Path     `yaml:"tls_ca_file"` // who signed it; "": the system's roots
	Interval  config.Duration `yaml:"interval"`    // from the begin of one check to the next
	Timeout   config.Duration `yaml:"timeout"`     // of a whole check; 0: the interval, at most 5s
	Rise      int             `yaml:"rise"`        // so many good checks running make a server that was down healthy
	Fall      int             `yaml:"fall"`        // so many bad ones make it unhealthy
}

// maxTimeout is the default of timeout where the interval is longer.
const maxTimeout = 5 * time.Second

// SetDefaults asks every five seconds, and believes the first answer.
func (c *Config) SetDefaults() {
	c.Protocol, c.Interval, c.Rise, c.Fall = "tcp", config.Duration(5*time.Second), 1, 1
}

// Validate checks words, numbers and what belongs together.
func (c *Config) Validate(at config.Section) {
	oneOf(at.At("protocol"), c.Protocol, "tcp", "smtp", "lmtp", "imap", "pop3", "sieve")
	oneOf(at.At("tls"), c.TLS, "", "implicit", "starttls")
	if c.Protocol == "tcp" && c.TLS == "starttls" {
		at.At("tls").Errorf("starttls needs a protocol that has it: tcp has none, and may be implicit")
	}
	if c.TLS == "" && (c.TLSName != "" || c.TLSCAFile != "") {
		at.Errorf("tls_name and tls_ca_file have no effect without tls: implicit or starttls")
	}
	if c.Interval < config.Duration(100*time.Millisecond) {
		at.At("interval").Errorf("%s is too short: at least 100ms, lest the checks be a burden", c.Interval)
	}
	if c.Timeout < 0 || c.Timeout > c.Interval {
		at.At("timeout").Errorf("%s is longer than the interval of %s", c.Timeout, c.Interval)
	}
	positive(at.At("rise"), c.Rise)
	positive(at.At("fall"), c.Fall)
}

func positive(at config.Section, n int) {
	if n < 1 {
		at.Errorf("%d is too small: at least 1", n)
	}
}

func oneOf(at config.Section, got string, words ...string) {
	if !slices.Contains(words, got) {
		at.Errorf("unknown word %q: use one of %q", got, words)
	}
}

// timeout of a whole check.
func (c Config) timeout() time.Duration {
	if c.Timeout > 0 {
		return time.Duration(c.Timeout)
	}
	return min(time.Duration(c.Interval), maxTimeout)
}

// Target is a server to check.
type Target struct {
	Addr  netip.AddrPort // or
	Path  string         // of a unix socket
	Name  string         // the host as configured: what the certificate is for, unless tls_name says otherwise
	Proxy int            // 1 or 2: a PROXY header of that version goes first: our own end of the connection, or LOCAL
}

// String is where it is.
func (t Target) String() string {
	if t.Path != "" {
		return "unix:" + t.Path
	}
	return t.Addr.String()
}
