// SPDX-License-Identifier: MIT

package node

import (
	"net"
	"net/netip"
	"slices"
	"strings"
)

// self tells whether an exchanger is the service that asks, here or on another node: mail would come back (RFC 5321 5.1).
// Strangers write those sets, and one that leads to a loopback address would have us trusted as a client of mynetworks.
type self struct {
	hosts    []string     // its own name, and the nodes that run it behind port 25
	fixed    []netip.Addr // addresses that it listens on at port 25, and proxy_addresses
	anywhere bool         // it listens on port 25 of every address of this machine
	local    func() ([]net.Addr, error)
}

const smtpPort = 25

// selfOf is a service's. Other services of the same node are not itself: smtp-in does deliver to the maildrop beside it.
func (c *Cluster) selfOf(service string) self {
	section := c.sectionOf(service)
	s := self{local: net.InterfaceAddrs}
	behind := make([]netip.Addr, len(section.ProxyAddresses)) // addresses of a balancer or of NAT that lead here
	for i, a := range section.ProxyAddresses {
		behind[i] = a.Unmap()
	}
	for _, l := range section.Listen {
		if l.Address.Port != smtpPort || l.Address.Network != "tcp" {
			continue
		}
		if a, err := netip.ParseAddr(l.Address.Host); err == nil && !a.IsUnspecified() {
			s.fixed = append(s.fixed, a.Unmap())
		} else {
			s.anywhere = true
		}
	}
	atPort25 := s.anywhere || len(s.fixed) > 0
	if atPort25 || !c.isNameOfMX(service, section.Hostname) {
		s.hosts = append(s.hosts, section.Hostname)
	}
	s.fixed = append(s.fixed, behind...)
	if atPort25 {
		for _, n := range c.Nodes {
			if n.Runs(service) {
				s.hosts = append(s.hosts, string(n.Host))
			}
		}
	}
	return s
}

// isNameOfMX reports a name that this service shares with smtp-in, as on a single machine: in an MX record it means the
// other, and what users send to their own domain goes there.
func (c *Cluster) isNameOfMX(service, hostname string) bool {
	return service != SMTPIn && c.SMTPIn != nil && strings.EqualFold(c.SMTPIn.Hostname, hostname)
}

// is is relay's question about a host of an MX set.
func (s self) is(host string, addrs []netip.Addr) bool {
	if slices.ContainsFunc(s.hosts, func(h string) bool { return strings.EqualFold(h, host) }) {
		return true
	}
	return slices.ContainsFunc(addrs, s.isAddr)
}

func (s self) isAddr(a netip.Addr) bool {
	a = a.Unmap()
	return a.IsLoopback() || a.IsUnspecified() || slices.Contains(s.fixed, a) || s.anywhere && s.isLocal(a)
}

// isLocal asks the machine each time: its addresses come and go. One that it cannot list is not ours.
func (s self) isLocal(a netip.Addr) bool {
	addrs, _ := s.local()
	return slices.ContainsFunc(addrs, func(n net.Addr) bool {
		p, err := netip.ParsePrefix(n.String())
		return err == nil && p.Addr().Unmap().WithZone("") == a.WithZone("")
	})
}
