// SPDX-License-Identifier: MIT

package node

import (
	"net/netip"
	"testing"

	"posthouse/smtpd"
)

// An exchanger is us by its name, or by an address that leads back to this machine, whatever a stranger's zone calls it.
func TestIsSelf(t *testing.T) {
	t.Parallel()
	s := &service{
		process: &process{Cluster: &Cluster{Self: Node{Host: "node.test"}}},
		name:    SMTPIn, config: &smtpd.Config{Hostname: "mx.test"},
	}
	for _, c := range []struct {
		host, addr string
		want       bool
	}{
		{"mx.test", "192.0.2.1", true},
		{"NODE.test", "192.0.2.1", true},
		{"other.test", "192.0.2.1", false},
		{"other.test", "127.0.0.1", true},
		{"other.test", "127.1.2.3", true},
		{"other.test", "0.0.0.0", true},
		{"other.test", "::", true},
		{"other.test", "::1", true},
		{"other.test", "::ffff:127.0.0.1", true},
	} {
		if got := s.isSelf(c.host, []netip.Addr{netip.MustParseAddr("198.51.100.7"), netip.MustParseAddr(c.addr)}); got != c.want {
			t.Errorf("%s %s: %v", c.host, c.addr, got)
		}
	}
}
