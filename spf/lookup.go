// SPDX-License-Identifier: MIT

package spf

import (
	"net/netip"
	"slices"
	"strings"

	"github.com/miekg/dns"

	"posthouse/resolver"
)

// maxAnswer bounds the records of an answer that are looked at.
const maxAnswer = 100

// wellFormed is what RFC 7208 4.3 wants of a domain: several labels, none empty or longer than 63 octets, no literal.
func wellFormed(domain string) bool {
	domain = strings.TrimSuffix(domain, ".")
	return strings.IndexByte(domain, '.') >= 0 && domain[0] != '[' && isName(domain)
}

// isName reports what the DNS takes as a name.
func isName(name string) bool {
	name = strings.TrimSuffix(name, ".")
	for label := range strings.SplitSeq(name, ".") {
		if label == "" || len(label) > 63 {
			return false
		}
	}
	return len(name) <= 253
}

// asked writes a name in the form that the resolver compares answers by: a sign that is special in master files has a backslash
// before it (RFC 1035 5.1). Local parts bring such signs through macros. What cannot be asked is "".
func asked(name string) string {
	if !isName(name) {
		return ""
	}
	if !strings.ContainsAny(name, `'@;()"\`) {
		return name
	}
	var b strings.Builder
	for i := range len(name) {
		if strings.IndexByte(`'@;()"\`, name[i]) >= 0 {
			b.WriteByte('\\')
		}
		b.WriteByte(name[i])
	}
	return b.String()
}

func (e *evaluation) texts(name string) ([]string, error) {
	name = asked(name)
	if name == "" {
		return nil, resolver.ErrNotFound
	}
	texts, err := e.Resolver.TXT(e.ctx, name)
	return texts[:min(len(texts), maxAnswer)], err
}

func (e *evaluation) exchangers(domain string) ([]string, error) {
	domain = asked(domain)
	if domain == "" {
		return nil, resolver.ErrNotFound
	}
	found, err := e.Resolver.MX(e.ctx, domain)
	hosts := make([]string, 0, len(found))
	for _, mx := range found[:min(len(found), maxAnswer)] {
		if mx.Host != "" {
			hosts = append(hosts, mx.Host)
		}
	}
	return hosts, err
}

// addrs asks for one kind of addresses.
func (e *evaluation) addrs(host string, six bool) ([]netip.Addr, error) {
	host = asked(host)
	if host == "" {
		return nil, resolver.ErrNotFound
	}
	kind := dns.TypeA
	if six {
		kind = dns.TypeAAAA
	}
	answer, err := e.Resolver.Ask(e.ctx, host, kind)
	if err != nil {
		return nil, err
	}
	var out []netip.Addr
	for _, rr := range answer.Records[:min(len(answer.Records), maxAnswer)] {
		var raw []byte
		switch rr := rr.(type) {
		case *dns.A:
			raw = rr.A.To4()
		case *dns.AAAA:
			raw = rr.AAAA
		}
		if a, ok := netip.AddrFromSlice(raw); ok {
			out = append(out, a)
		}
	}
	return out, nil
}

// verified are the names of the client that lead back to it, of the first 10 (RFC 7208 5.5). A DNS that fails says nothing here.
func (e *evaluation) verified() []string {
	if e.named {
		return e.names
	}
	e.named = true
	found, err := e.Resolver.PTR(e.ctx, e.client)
	if err != nil {
		return nil
	}
	for _, name := range found[:min(len(found), maxHosts)] {
		addrs, err := e.addrs(name, e.client.Is6())
		if err == nil && slices.Contains(addrs, e.client) {
			e.names = append(e.names, strings.ToLower(name))
		}
	}
	return e.names
}
