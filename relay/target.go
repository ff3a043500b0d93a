// SPDX-License-Identifier: MIT

package relay

import (
	"math/rand/v2"
	"net"
	"net/netip"

	"posthouse/upstream"
)

// target is one address to try.
type target struct {
	network, address string // as net.Dial takes them
	host             string // its name, "" for a bare address or a socket
	domain           string // whose exchanger it is
	lmtp             bool
	local            bool             // the way does not leave this machine
	member           *upstream.Member // of a group; nil otherwise
	last             bool             // address of the member
}

func tcpTarget(domain, host string, addr netip.Addr, port uint16) target {
	t := target{network: "tcp", address: netip.AddrPortFrom(addr, port).String(), host: host, domain: domain, local: addr.IsLoopback()}
	if host == addr.String() {
		t.host = ""
	}
	return t
}

func unixTarget(path string) target {
	return target{network: "unix", address: path, lmtp: true, local: true}
}

// String is the target as results and logs have it: "mx.example.test[192.0.2.1]:25".
func (t target) String() string {
	if t.network == "unix" {
		return t.address
	}
	host, port, _ := net.SplitHostPort(t.address)
	if t.host == "" {
		return "[" + host + "]:" + port
	}
	return t.host + "[" + host + "]:" + port
}

// serverName is what the certificate has to name.
func (t target) serverName() string {
	if t.host != "" || t.network == "unix" {
		return t.host
	}
	host, _, _ := net.SplitHostPort(t.address)
	return host
}

// mix puts addresses of both families in turn, each family shuffled, so that one that leads nowhere does not use up the
// attempt.
func mix(addrs []netip.Addr) []netip.Addr {
	var six, four []netip.Addr
	for _, a := range addrs {
		if a.Is4() {
			four = append(four, a)
		} else {
			six = append(six, a)
		}
	}
	shuffle(six)
	shuffle(four)
	out := make([]netip.Addr, 0, len(addrs))
	for i := range max(len(six), len(four)) {
		if i < len(six) {
			out = append(out, six[i])
		}
		if i < len(four) {
			out = append(out, four[i])
		}
	}
	return out
}

func shuffle[T any](s []T) { rand.Shuffle(len(s), func(i, j int) { s[i], s[j] = s[j], s[i] }) }
