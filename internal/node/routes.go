// SPDX-License-Identifier: MIT

package node

import (
	"context"
	"crypto/x509"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"

	"posthouse/config"
	"posthouse/delivery"
	"posthouse/mail"
	"posthouse/relay"
	"posthouse/reply"
	"posthouse/resolver"
	"posthouse/table"
)

// routes find the next hop of a destination domain: one of the service's own, transport_maps, or MX.
type routes struct {
	relay     *relay.Relay
	transport *table.Table                             // nil: none
	own       func(domain string) (mail.Carrier, bool) // domains that never leave by MX: mailboxes, dead aliases
	outside   bool
}

// newRoutes makes the way out of a service.
func (s *service) newRoutes(own func(domain string) (mail.Carrier, bool)) (*routes, error) {
	r := &routes{own: own, outside: s.Outside}
	var err error
	if r.transport, err = s.openTable(s.delivery.TransportMaps); err != nil {
		return nil, err
	}
	roots, err := rootsIn(s.delivery.TLSCAFile)
	if err != nil {
		return nil, err
	}
	res, err := s.resolver()
	if err != nil {
		return nil, err
	}
	r.relay, err = relay.New(relay.Options{
		Resolver: res, Roots: roots, TLSLevel: s.delivery.TLSSecurityLevel, Hello: s.config.Hostname,
		SourceAddresses: s.delivery.SourceAddresses, Self: s.isSelf, Log: s.log,
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

// isSelf reports a host of an MX set that is this node: mail would come back to us, and as from a client of our own networks.
// Strangers write those sets. Who stands at our other addresses is smtp-in itself; others of our services may well mean it.
func (s *service) isSelf(host string, addrs []netip.Addr) bool {
	if strings.EqualFold(host, s.config.Hostname) || strings.EqualFold(host, string(s.Self.Host)) {
		return true
	}
	return slices.ContainsFunc(addrs, func(a netip.Addr) bool {
		a = a.Unmap()
		return a.IsLoopback() || a.IsUnspecified() || s.name == SMTPIn && isOurs(a)
	})
}

// isOurs reports an address of this machine, as far as the system tells.
func isOurs(a netip.Addr) bool {
	all, err := net.InterfaceAddrs()
	return err == nil && slices.ContainsFunc(all, func(own net.Addr) bool {
		n, ok := own.(*net.IPNet)
		return ok && n.IP.Equal(a.AsSlice())
	})
}

// route is delivery's question: who carries mail of env to destination.
func (r *routes) route(_ *mail.Envelope, destination string) mail.Carrier {
	domain := destination[strings.LastIndexByte(destination, '@')+1:]
	if r.own != nil {
		if c, ok := r.own(domain); ok {
			return c
		}
	}
	if hop, ok := r.lookup(domain); ok {
		route, err := relay.ParseRoute(hop)
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

// hop is the queue's question: what counts as one next hop for concurrency.
func (r *routes) hop(destination string) string {
	if hop, ok := r.lookup(destination); ok {
		return hop
	}
	return destination
}

// lookup asks transport_maps as transport(5) does: the domain, its parents with a leading dot, then *.
func (r *routes) lookup(domain string) (string, bool) {
	if r.transport == nil {
		return "", false
	}
	view := r.transport.View()
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

func (r *routes) close() error {
	if r == nil || r.relay == nil {
		return nil
	}
	return r.relay.Close()
}

// resolver is the node's, made once.
func (p *process) resolver() (resolver.Resolver, error) {
	if p.names == nil {
		var err error
		if p.names, err = resolver.Open(p.Resolver); err != nil {
			return nil, err
		}
	}
	return p.names, nil
}

// deliveryOptions joins queue and routes.
func (s *service) deliveryOptions(r *routes) delivery.Options {
	return delivery.Options{
		Queue: s.queue, Route: r.route, Expand: s.reportTo, Upgrade: s.store.Upgrade, Service: s.label, Hostname: s.config.Hostname,
		Config: *s.delivery, Registry: s.registry, Log: s.log,
	}
}

// start makes the queue and the routes of a service, in the order that they need each other.
func (s *service) start(ctx context.Context, own func(domain string) (mail.Carrier, bool)) (*routes, error) {
	r, err := s.newRoutes(own)
	if err != nil {
		return nil, err
	}
	return r, s.newQueue(ctx, r.hop)
}
