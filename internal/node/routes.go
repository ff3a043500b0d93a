// SPDX-License-Identifier: MIT

package node

import (
	"context"
	"crypto/x509"
	"fmt"
	"os"
	"strings"

	"posthouse/config"
	"posthouse/delivery"
	"posthouse/mail"
	"posthouse/relay"
	"posthouse/reply"
	"posthouse/table"
)

// routes find the next hop of a recipient: one of the service's own, transport_maps, or the exchangers of its domain.
type routes struct {
	relay     *relay.Relay
	transport *table.Table                             // nil: none
	delimiter string                                   // recipient_delimiter, for transport_maps
	own       func(domain string) (mail.Carrier, bool) // domains that never leave by MX: mailboxes, dead aliases; nil: none
	outside   bool
	verdicts  *relay.Verdicts // what address verification knows
}

// newRoutes makes the way out of a service.
func (s *service) newRoutes(n *snapshot, own func(domain string) (mail.Carrier, bool)) (*routes, error) {
	section := n.sectionOf(s.name)
	r := &routes{own: own, outside: n.outside, delimiter: section.delimiter, verdicts: s.standing.verdicts}
	var err error
	if r.transport, err = n.openTable(section.delivery.TransportMaps); err != nil {
		return nil, err
	}
	roots, err := rootsIn(section.delivery.TLSCAFile)
	if err != nil {
		return nil, err
	}
	r.relay, err = relay.New(relay.Options{
		Resolver: n.names, Roots: roots, TLSLevel: section.delivery.TLSSecurityLevel, Hello: section.Hostname,
		SourceAddresses: section.delivery.SourceAddresses, Self: n.selfOf(s.name).is, Log: s.log,
		Idle: relay.Idle{PerHost: section.delivery.DestinationConcurrencyLimit}, // as many as are in use at once
	})
	return r, err
}

// rootsIn are whom the TLS of a next hop is checked against: those in tls_ca_file, or nil, the system's.
func rootsIn(file config.Path) (*x509.CertPool, error) {
	if file == "" {
		return nil, nil
	}
	pem, err := os.ReadFile(string(file))
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("%s holds no certificate", file)
	}
	return pool, nil
}

// domainOf is the domain of a destination, which is one, or an address.
func domainOf(destination string) string {
	return destination[strings.LastIndexByte(destination, '@')+1:]
}

// route is delivery's question: who carries mail of env to destination.
func (r *routes) route(env *mail.Envelope, destination string) mail.Carrier {
	domain := domainOf(destination)
	if r.own != nil {
		if c, ok := r.own(domain); ok {
			return c
		}
	}
	hops := r.hops(env.Recipients)
	if len(hops) == 1 {
		return r.carrier(domain, hops[0].nexthop)
	}
	var parts split
	for _, h := range hops {
		parts = append(parts, part{r.carrier(domain, h.nexthop), h.recipients})
	}
	return parts
}

// carrier takes mail for a domain to a next hop of transport_maps, or, if that is "", to its exchangers.
func (r *routes) carrier(domain, nexthop string) mail.Carrier {
	if nexthop != "" {
		route, err := relay.ParseRoute(nexthop)
		if err != nil {
			return delivery.Answer(mail.Result{Status: mail.Deferred, Reply: reply.ConfigError.Because(err)})
		}
		return r.relay.Carrier(domain, route)
	}
	if !r.outside {
		return delivery.Answer(mail.Result{Status: mail.Deferred, Reply: reply.OutsideOff})
	}
	return r.relay.Carrier(domain, relay.MX(domain))
}

// hop is the queue's question at each claim: what counts as one next hop for concurrency. All mailboxes of a domain are one.
// Addresses with a transport of their own count with their domain.
func (r *routes) hop(destination string) string {
	domain := domainOf(destination)
	if r.transport != nil {
		if hop, ok := domainTransport(table.Fixed(r.transport.View()), domain); ok {
			return hop
		}
	}
	return domain
}

func (r *routes) close() error { return r.relay.Close() }

// split carries the recipients of one message by several routes, where transport_maps name single addresses.
type split []part

type part struct {
	carrier    mail.Carrier
	recipients []int // of the envelope
}

// Carry takes one route after the other. A recipient of whom a carrier says nothing is tried again.
func (s split) Carry(ctx context.Context, env *mail.Envelope, msg *mail.Message) mail.Outcome {
	out := make(mail.Outcome, len(env.Recipients))
	for _, p := range s {
		some := *env
		some.Recipients = make([]mail.Recipient, len(p.recipients))
		for i, n := range p.recipients {
			some.Recipients[i] = env.Recipients[n]
		}
		for i, result := range p.carrier.Carry(ctx, &some, msg).Of(len(p.recipients)) {
			result.HopDead = false // the others of this destination go elsewhere
			out[p.recipients[i]] = result
		}
	}
	return out
}
