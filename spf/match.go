// SPDX-License-Identifier: MIT

package spf

import (
	"fmt"
	"net/netip"
	"strings"

	"posthouse/resolver"
)

// match tries one mechanism; a verdict with a status ends everything.
func (e *evaluation) match(d *directive, domain string) (bool, verdict) {
	switch d.kind {
	case "all":
		return true, verdict{}
	case "ip4", "ip6":
		return d.net.Contains(e.client), verdict{}
	}
	if err := e.count(); err != nil {
		return false, bad(err)
	}
	target := domain
	if d.target != nil {
		target = e.name(d.target, domain)
	}
	switch d.kind {
	case "include":
		return e.include(target)
	case "a":
		return e.matchHost(d, target)
	case "mx":
		return e.matchMX(d, target)
	case "ptr":
		return e.matchPTR(target)
	}
	return e.exists(target)
}

// include turns the result of another record into a match (the table in RFC 7208 5.2).
func (e *evaluation) include(target string) (bool, verdict) {
	v := e.other("include", target)
	switch v.status {
	case Pass:
		return true, verdict{}
	case TempError, PermError:
		return false, v
	}
	return false, verdict{}
}

// other asks a domain that a record points to. It must have a record of its own.
func (e *evaluation) other(how, target string) verdict {
	v := verdict{status: None}
	if wellFormed(target) {
		v = e.ask(target)
	}
	if v.status == None {
		return bad(fmt.Errorf("%s: %q has no record", how, clean(target, maxName)))
	}
	return v
}

// matchHost compares the addresses of a host (RFC 7208 5.3).
func (e *evaluation) matchHost(d *directive, host string) (bool, verdict) {
	addrs, err := e.addrs(host, e.client.Is6())
	if resolver.Temporary(err) {
		return false, trouble(err)
	}
	if len(addrs) == 0 {
		return false, e.inVain()
	}
	return d.within(addrs, e.client), verdict{}
}

// within reports an address of the client's network.
func (d *directive) within(addrs []netip.Addr, client netip.Addr) bool {
	bits := d.bits4
	if client.Is6() {
		bits = d.bits6
	}
	network, err := client.Prefix(bits)
	if err != nil {
		return false
	}
	for _, a := range addrs {
		if network.Contains(a) {
			return true
		}
	}
	return false
}

// matchMX compares the addresses of the mail exchangers (RFC 7208 5.4). Those without an address of the client's family are
// passed over; the term asked in vain only if all are.
func (e *evaluation) matchMX(d *directive, domain string) (bool, verdict) {
	hosts, err := e.exchangers(domain)
	switch {
	case resolver.Temporary(err):
		return false, trouble(err)
	case len(hosts) > maxHosts:
		return false, bad(errHosts)
	}
	told := false
	for _, host := range hosts {
		addrs, err := e.addrs(host, e.client.Is6())
		if resolver.Temporary(err) {
			return false, trouble(err)
		}
		told = told || len(addrs) > 0
		if d.within(addrs, e.client) {
			return true, verdict{}
		}
	}
	if !told {
		return false, e.inVain()
	}
	return false, verdict{}
}

// exists asks for an A record, whatever the client's family (RFC 7208 5.7).
func (e *evaluation) exists(name string) (bool, verdict) {
	addrs, err := e.addrs(name, false)
	if resolver.Temporary(err) {
		return false, trouble(err)
	}
	if len(addrs) == 0 {
		return false, e.inVain()
	}
	return true, verdict{}
}

// matchPTR looks for a verified name of the client in a domain (RFC 7208 5.5).
func (e *evaluation) matchPTR(domain string) (bool, verdict) {
	domain = strings.TrimSuffix(strings.ToLower(domain), ".")
	for _, name := range e.verified() {
		if name == domain || strings.HasSuffix(name, "."+domain) {
			return true, verdict{}
		}
	}
	return false, verdict{}
}
