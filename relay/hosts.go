// SPDX-License-Identifier: MIT

package relay

import (
	"context"
	"net/netip"
	"slices"
	"strings"

	"posthouse/mail"
	"posthouse/reply"
	"posthouse/resolver"
)

// maxAddresses is how many addresses one attempt tries (Postfix: smtp_mx_address_limit).
const maxAddresses = 5

// maxExchangers bounds the look-ups for one preference, since others write that list.
const maxExchangers = 20

// refusal is why there is no address to try. dead says that it holds for all mail to this hop.
type refusal struct {
	status mail.Status
	reply  reply.Reply
	dead   bool
}

func failed(r reply.Reply) *refusal { return &refusal{status: mail.Failed, reply: r} }

func dnsTrouble(err error) *refusal {
	return &refusal{status: mail.Deferred, reply: reply.DNSTrouble.Because(err), dead: true}
}

// targets are the addresses to try for a route, the best first. There is at least one, or a refusal.
func (r *Relay) targets(ctx context.Context, domain string, route Route) ([]target, *refusal) {
	if route.path != "" {
		return []target{unixTarget(route.path)}, nil
	}
	if route.mx {
		if route.host != "" {
			domain = route.host
		}
		if addr, ok := literal(domain); ok {
			if route.port == 25 && r.o.Self(domain, []netip.Addr{addr}) {
				return nil, failed(reply.MailLoop.With("Mail for %s loops back to myself", domain))
			}
			return []target{tcpTarget(domain, addr.String(), addr, route.port)}, nil
		}
		return r.exchangers(ctx, domain, route.port)
	}
	return r.fixed(ctx, route)
}

// literal reads an address literal, "[192.0.2.1]" or "[IPv6:2001:db8::1]".
func literal(domain string) (netip.Addr, bool) {
	inner, ok := strings.CutPrefix(domain, "[")
	if !ok {
		return netip.Addr{}, false
	}
	inner = strings.TrimSuffix(inner, "]")
	if len(inner) > 5 && strings.EqualFold(inner[:5], "IPv6:") {
		inner = inner[5:]
	}
	a, err := netip.ParseAddr(inner)
	return a.Unmap(), err == nil
}

// fixed is a host that our own tables name. If it has no address, the table or the DNS is being worked on: mail waits.
func (r *Relay) fixed(ctx context.Context, route Route) ([]target, *refusal) {
	addrs, err := r.addresses(ctx, route.host)
	if err != nil {
		return nil, dnsTrouble(err)
	}
	var out []target
	for _, a := range mix(addrs) {
		t := tcpTarget(route.host, route.host, a, route.port)
		t.lmtp = route.lmtp
		out = append(out, t)
	}
	return out[:min(len(out), maxAddresses)], nil
}

func (r *Relay) addresses(ctx context.Context, host string) ([]netip.Addr, error) {
	if a, err := netip.ParseAddr(host); err == nil {
		return []netip.Addr{a}, nil
	}
	return r.o.Resolver.Addrs(ctx, host)
}

// exchangers are the addresses of a domain's MX hosts. One preference after the other is looked up, until there are
// enough; a preference at which we stand ourselves ends the list, and counts for nothing (RFC 5321 5.1).
func (r *Relay) exchangers(ctx context.Context, domain string, port uint16) ([]target, *refusal) {
	mxs, no := r.lookupMX(ctx, domain)
	if no != nil {
		return nil, no
	}
	var out []target
	var trouble error
	for len(mxs) > 0 && len(out) < maxAddresses {
		n := slices.IndexFunc(mxs, func(m resolver.MX) bool { return m.Preference != mxs[0].Preference })
		if n < 0 {
			n = len(mxs)
		}
		group, self, err := r.preference(ctx, domain, port, mxs[:n])
		if self {
			if len(out) == 0 && trouble == nil {
				return nil, failed(reply.MailLoop.With("Mail for %s loops back to myself", domain))
			}
			break
		}
		if err != nil && !resolver.NotFound(err) && !resolver.NoData(err) {
			trouble = err
		}
		out, mxs = append(out, group...), mxs[n:]
	}
	switch {
	case len(out) > 0:
		return out[:min(len(out), maxAddresses)], nil
	case trouble != nil:
		return nil, dnsTrouble(trouble)
	}
	return nil, failed(reply.NoMailHost)
}

// lookupMX is the exchangers by preference, equal ones shuffled.
func (r *Relay) lookupMX(ctx context.Context, domain string) ([]resolver.MX, *refusal) {
	mxs, err := r.o.Resolver.MX(ctx, domain)
	switch {
	case resolver.NotFound(err):
		return nil, failed(reply.NoSuchDomain.Because(err))
	case resolver.NoData(err): // implicit MX
		return []resolver.MX{{Host: domain}}, nil
	case err != nil:
		return nil, dnsTrouble(err)
	}
	mxs = slices.DeleteFunc(slices.Clone(mxs), func(m resolver.MX) bool { return m.Host == "" })
	if len(mxs) == 0 {
		return nil, failed(reply.NullMX)
	}
	shuffle(mxs)
	slices.SortStableFunc(mxs, func(a, b resolver.MX) int { return int(a.Preference) - int(b.Preference) })
	return mxs, nil
}

// preference looks up hosts of equal preference; self says that one of them is us. The error is of a host without address,
// a temporary one before others.
func (r *Relay) preference(ctx context.Context, domain string, port uint16, mxs []resolver.MX) (out []target, self bool, trouble error) {
	for _, mx := range mxs[:min(len(mxs), maxExchangers)] {
		addrs, err := r.o.Resolver.Addrs(ctx, mx.Host)
		if port == 25 && r.o.Self(mx.Host, addrs) {
			return nil, true, nil
		}
		if err != nil && (trouble == nil || resolver.Temporary(err)) {
			trouble = err
		}
		for _, a := range mix(addrs) {
			out = append(out, tcpTarget(domain, mx.Host, a, port))
		}
	}
	return out, false, trouble
}
