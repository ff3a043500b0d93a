// SPDX-License-Identifier: MIT

package resolver

import (
	"net/netip"
	"strings"

	"github.com/miekg/dns"
)

// Types for Ask, for callers that need no more of the DNS library.
const (
	TypeA    = dns.TypeA
	TypeAAAA = dns.TypeAAAA
	TypeTXT  = dns.TypeTXT
)

// IPv4 is the addresses of an answer to TypeA. Lists in the DNS (RFC 5782) are asked so: an AAAA would mean nothing there.
func (a Answer) IPv4() []netip.Addr {
	out := make([]netip.Addr, 0, len(a.Records))
	for _, rr := range a.Records {
		if rr, ok := rr.(*dns.A); ok {
			if addr, ok := netip.AddrFromSlice(rr.A); ok {
				out = append(out, addr.Unmap())
			}
		}
	}
	return out
}

// IPv6 is the addresses of an answer to TypeAAAA. One that maps an IPv4 address is given as that.
func (a Answer) IPv6() []netip.Addr {
	out := make([]netip.Addr, 0, len(a.Records))
	for _, rr := range a.Records {
		if rr, ok := rr.(*dns.AAAA); ok {
			if addr, ok := netip.AddrFromSlice(rr.AAAA); ok {
				out = append(out, addr.Unmap())
			}
		}
	}
	return out
}

// Texts is the strings of an answer to TypeTXT, one a record, its parts joined.
func (a Answer) Texts() []string {
	out := make([]string, 0, len(a.Records))
	for _, rr := range a.Records {
		if rr, ok := rr.(*dns.TXT); ok {
			out = append(out, unescape(strings.Join(rr.Txt, "")))
		}
	}
	return out
}

// Known is Ask as far as memory goes: false if a server would have to be asked. Callers with many questions take what is
// there before they start a goroutine for each of the rest.
func (c *Client) Known(name string, rrtype uint16) (Answer, error, bool) {
	q, err := newQuestion(name, rrtype)
	if err != nil {
		return Answer{}, err, true
	}
	f, ok := c.cache.get(q)
	return f.answer, f.err, ok
}
