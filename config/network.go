// SPDX-License-Identifier: MIT

package config

import (
	"fmt"
	"net/netip"
	"strings"
)

// Network is a CIDR block, 192.0.2.0/24 or 2001:db8::/32, or a single address. Brackets around an IPv6 address, as Postfix
// has them in mynetworks, are taken.
type Network struct{ netip.Prefix }

// UnmarshalText reads a network. Bits set behind the prefix are refused: one of the two parts is a mistake.
func (n *Network) UnmarshalText(text []byte) error {
	s := strings.NewReplacer("[", "", "]", "").Replace(string(text))
	p, err := parsePrefix(s)
	if err != nil {
		return fmt.Errorf("%q is not a network; write it as 192.0.2.0/24 or 2001:db8::/32", text)
	}
	if p.Addr().Is4In6() {
		return fmt.Errorf("%s: write it as an IPv4 network, since peers' addresses are unmapped", text)
	}
	if p.Masked() != p {
		return fmt.Errorf("%s has bits set behind the prefix; the network is %s", text, p.Masked())
	}
	n.Prefix = p
	return nil
}

func parsePrefix(s string) (netip.Prefix, error) {
	if strings.Contains(s, "/") {
		return netip.ParsePrefix(s)
	}
	a, err := netip.ParseAddr(s)
	if err != nil || a.Zone() != "" {
		return netip.Prefix{}, fmt.Errorf("not an address: %q", s)
	}
	return netip.PrefixFrom(a, a.BitLen()), nil
}

// String is the CIDR form; "" for the zero Network.
func (n Network) String() string {
	if !n.IsValid() {
		return ""
	}
	return n.Prefix.String()
}

// MarshalText is String.
func (n Network) MarshalText() ([]byte, error) { return []byte(n.String()), nil }
