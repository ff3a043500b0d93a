// SPDX-License-Identifier: MIT

package node

import (
	"strings"

	"posthouse/mail"
	"posthouse/table"
)

// nexthop is what transport_maps have for some recipients; "" is nothing.
type nexthop struct {
	nexthop    string
	recipients []int
}

// hops asks transport_maps for each recipient and puts those of one next hop together, in order of first appearance. There
// is always one.
func (r *routes) hops(recipients []mail.Recipient) []nexthop {
	if r.transport == nil {
		return []nexthop{{}}
	}
	view := r.transport.View()
	var out []nexthop
	place := map[string]int{}
	for i, to := range recipients {
		hop, _ := r.lookup(view, to.To)
		at, ok := place[hop]
		if !ok {
			at, place[hop] = len(out), len(out)
			out = append(out, nexthop{nexthop: hop})
		}
		out[at].recipients = append(out[at].recipients, i)
	}
	if len(out) == 0 {
		return []nexthop{{}}
	}
	return out
}

// lookup is transport(5): the whole address, the address without its extension, the domain, each parent with a leading
// dot, and *. Patterns see the whole address alone.
func (r *routes) lookup(view table.View, to mail.Path) (string, bool) {
	domain := to.Domain()
	if hop, _, ok := table.Address(view, to.Local()+"@"+domain, to.String()); ok {
		return hop, true
	}
	fixed := table.Fixed(view)
	if i := strings.IndexAny(to.Local(), r.delimiter); i > 0 {
		if hop, _, ok := fixed.Lookup(to.Local()[:i] + "@" + domain); ok {
			return hop, true
		}
	}
	return domainTransport(fixed, domain)
}

// domainTransport is what there is for a domain as a whole.
func domainTransport(view table.View, domain string) (string, bool) {
	if hop, _, ok := view.Lookup(domain); ok {
		return hop, true
	}
	for rest := domain; ; {
		i := strings.IndexByte(rest, '.')
		if i < 0 {
			break
		}
		if hop, _, ok := view.Lookup(rest[i:]); ok {
			return hop, true
		}
		rest = rest[i+1:]
	}
	hop, _, ok := view.Lookup("*")
	return hop, ok
}
