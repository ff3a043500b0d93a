// SPDX-License-Identifier: MIT

package table

import (
	"net/netip"

	"posthouse/config"
)

// subject is a key as conditions see it.
type subject struct {
	text string
	addr netip.Addr // in cidr tables
}

func textSubject(key string) (subject, bool) { return subject{text: key}, true }

// addressSubject takes IP addresses only; ::ffff:192.0.2.1 is 192.0.2.1.
func addressSubject(key string) (subject, bool) {
	a, err := netip.ParseAddr(key)
	return subject{key, a.Unmap().WithZone("")}, err == nil
}

// network is the condition of a cidr table.
type network struct{ netip.Prefix }

// applies within one address family: !0.0.0.0/0 is not true of every IPv6 address.
func (n network) applies(s subject) bool { return n.Addr().Is4() == s.addr.Is4() }

func (n network) match(s subject) bool { return n.Contains(s.addr) }
func (n network) groups(subject) []int { return nil }
func (n network) count() int           { return 0 }

// cidr reads `network/prefix result`, or `address result`.
func cidr(text string) (test, string, string, error) {
	first, rest := word(text)
	var n config.Network
	if err := n.UnmarshalText([]byte(first)); err != nil {
		return nil, "", "", err
	}
	return network{n.Prefix}, first, rest, nil
}
