// SPDX-License-Identifier: MIT

package policy

import (
	"context"
	"net/netip"
	"time"
)

// maxServers bounds how many hosts, and maxServerAddrs how many of their addresses, are looked up for one domain
// (dns_rr_list_limit has 100): a stranger may have written the zone.
const (
	maxServers     = 20
	maxServerAddrs = 100
	maxServerTime  = 30 * time.Second // for all of it; what is not known by then restricts nobody
)

// lookServers looks the hosts of a domain up, each by its name and then by its addresses.
func (c check) lookServers(ctx context.Context, q *Question, table string) Verdict {
	domain, literal := c.of.domain(ctx, q)
	if literal.IsValid() && c.servers != "NS" { // an address is its own MX; nobody serves its names
		v, _ := q.lookUp(ctx, table, addressKeys(literal), c.of)
		return v
	}
	if domain == "" {
		return Verdict{}
	}
	ctx, cancel := context.WithTimeout(ctx, maxServerTime)
	defer cancel()
	left := maxServerAddrs
	for _, host := range c.hosts(ctx, q, domain) {
		if c.servers != "A" {
			if v, found := q.lookUp(ctx, table, nameKeys(host), c.of); found {
				return v
			}
		}
		addrs := hostAddrs(ctx, q, host)
		addrs = addrs[:min(len(addrs), left)]
		left -= len(addrs)
		for _, a := range addrs {
			if v, found := q.lookUp(ctx, table, addressKeys(a), c.of); found {
				return v
			}
		}
	}
	return Verdict{}
}

// hosts are those that DNS has for a domain. Without an MX it is its own; without name servers it has those of the zone
// around it. What is not known restricts nobody, as in Postfix.
func (c check) hosts(ctx context.Context, q *Question, domain string) []string {
	if c.servers == "A" {
		return []string{domain}
	}
	hosts, err := q.Facts.Servers(ctx, c.servers, domain)
	if c.servers == "MX" && err == nil && len(hosts) == 0 {
		return []string{domain}
	}
	for _, k := range parents(domain) {
		if c.servers != "NS" || err != nil || len(hosts) > 0 {
			break
		}
		hosts, err = q.Facts.Servers(ctx, c.servers, k.text)
	}
	return hosts[:min(len(hosts), maxServers)]
}

func hostAddrs(ctx context.Context, q *Question, host string) []netip.Addr {
	if a, err := netip.ParseAddr(host); err == nil {
		return []netip.Addr{a}
	}
	addrs, _ := q.Facts.Addrs(ctx, host)
	return addrs
}
