// SPDX-License-Identifier: MIT

package nginxconf

import (
	"net/netip"
	"slices"
)

// rule is one allow or deny. NGINX takes the first that fits a client, and lets in whom none fits.
type rule struct {
	network netip.Prefix // invalid: all
	deny    bool
}

func (r rule) fits(a netip.Addr) bool { return !r.network.IsValid() || r.network.Contains(a) }

func admitted(rules []rule, a netip.Addr) bool {
	for _, r := range rules {
		if r.fits(a) {
			return !r.deny
		}
	}
	return true
}

// access is our two lists: whom deny has is refused, and so is whom allow has not, if it has anybody.
type access struct{ allow, deny []netip.Prefix }

func (x access) admits(a netip.Addr) bool {
	has := func(list []netip.Prefix) bool {
		return slices.ContainsFunc(list, func(p netip.Prefix) bool { return p.Contains(a) })
	}
	return !has(x.deny) && (len(x.allow) == 0 || has(x.allow))
}

// maxNetworks is how long a list may become that nobody has written.
const maxNetworks = 128

// mostMixed is how many rules are compared with each other: the work grows with their square.
const mostMixed = 300

// lists turns rules into our lists. They are the rules' own networks if these say the same in our order; else rewritten is
// true, and deny has the networks that are refused, or allow those that are let in, computed, whichever are fewer. It fails
// if they are too many.
func lists(rules []rule) (x access, rewritten, ok bool) {
	if pure(rules) {
		return plainLists(rules), false, true
	}
	if len(rules) > mostMixed {
		return access{}, false, false
	}
	edges := edges(rules)
	same := func(x access) bool {
		return !slices.ContainsFunc(edges, func(a netip.Addr) bool { return x.admits(a) != admitted(rules, a) })
	}
	everybody := []netip.Prefix{netip.PrefixFrom(netip.IPv4Unspecified(), 0), netip.PrefixFrom(netip.IPv6Unspecified(), 0)}
	for _, x := range []access{{}, plainLists(rules), {deny: everybody}} {
		if same(x) {
			return x, false, true
		}
	}
	x.deny = verdict(rules, edges, false)
	if allow := verdict(rules, edges, true); len(allow) < len(x.deny) {
		x = access{allow: allow}
	}
	return x, true, len(x.allow)+len(x.deny) <= maxNetworks
}

// pure reports the usual forms, however long: who is refused and then all others in, or who is let in and then nobody else.
func pure(rules []rule) bool {
	end := slices.IndexFunc(rules, func(r rule) bool { return !r.network.IsValid() })
	denying := end < 0 || !rules[end].deny
	if end < 0 {
		end = len(rules)
	}
	kinds := func(r rule) bool { return r.deny != denying }
	return (denying || end > 0) && !slices.ContainsFunc(rules[:end], kinds)
}

// plainLists is the networks as written, without those that come too late to matter.
func plainLists(rules []rule) (x access) {
	seen := make(map[rule]bool)
	for _, r := range rules {
		if seen[r] {
			continue
		}
		seen[r] = true
		switch {
		case !r.network.IsValid() && !r.deny:
			x.allow = nil // whoever is left is let in
			return x
		case !r.network.IsValid():
			return x
		case r.deny:
			x.deny = append(x.deny, r.network)
		default:
			x.allow = append(x.allow, r.network)
		}
	}
	x.allow = nil
	return x
}

// edges are the addresses at which a verdict may change: where each network begins, and what comes behind it.
func edges(rules []rule) []netip.Addr {
	out := []netip.Addr{netip.IPv4Unspecified(), netip.IPv6Unspecified()}
	for _, r := range rules {
		if r.network.IsValid() {
			out = append(out, r.network.Addr())
			if next := last(r.network).Next(); next.IsValid() {
				out = append(out, next)
			}
		}
	}
	slices.SortFunc(out, netip.Addr.Compare)
	return slices.Compact(out)
}

// last is the last address of a network.
func last(p netip.Prefix) netip.Addr {
	b := p.Addr().AsSlice()
	for i := p.Bits(); i < len(b)*8; i++ {
		b[i/8] |= 1 << (7 - i%8)
	}
	a, _ := netip.AddrFromSlice(b)
	return a
}

// verdict is whom the rules let in, or whom they do not, in as few networks as that takes: from each edge on up to the next
// where the verdict changes.
func verdict(rules []rule, edges []netip.Addr, in bool) (out []netip.Prefix) {
	for i := 0; i < len(edges); i++ {
		from := edges[i]
		if admitted(rules, from) != in {
			continue
		}
		for i+1 < len(edges) && edges[i+1].Is4() == from.Is4() && admitted(rules, edges[i+1]) == in {
			i++
		}
		to := last(netip.PrefixFrom(from, 0).Masked())
		if i+1 < len(edges) && edges[i+1].Is4() == from.Is4() {
			to = edges[i+1].Prev()
		}
		out = append(out, between(from, to)...)
	}
	return slices.DeleteFunc(out, mapped)
}

// mapped reports IPv4 in IPv6 (::ffff:0:0/96), which no client has: both programs take it for the IPv4 address.
func mapped(p netip.Prefix) bool { return p.Addr().Is4In6() }

// between is the networks from one address to another, both included.
func between(from, to netip.Addr) (out []netip.Prefix) {
	for from.IsValid() && from.Compare(to) <= 0 {
		p := netip.PrefixFrom(from, from.BitLen())
		for p.Bits() > 0 {
			wider := netip.PrefixFrom(from, p.Bits()-1)
			if wider.Masked() != wider || last(wider).Compare(to) > 0 {
				break
			}
			p = wider
		}
		out = append(out, p)
		from = last(p).Next()
	}
	return out
}
