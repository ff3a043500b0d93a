// SPDX-License-Identifier: MIT

package node

import (
	"context"
	"errors"
	"net/netip"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"posthouse/delegation"
	"posthouse/dnsbl"
	"posthouse/policy"
	"posthouse/relay"
	"posthouse/resolver"
	"posthouse/smtpin"
)

// standing is what a service has learnt and keeps, whatever becomes of the cluster file: which DNS lists are out of their mind,
// which connections to policy servers are open, which addresses others take mail for, and why it refused whom.
type standing struct {
	names    inForce
	registry prometheus.Registerer // of this service alone
	lists    *dnsbl.Lister
	servers  *delegation.Client
	verdicts *relay.Verdicts // of address verification
	trails   policy.Trails
	chain    chain
	failures *prometheus.CounterVec // of milters, by their name in the file
	room     waitingRoom
	metrics  *smtpin.Metrics // of smtp-in
}

// maxPatience is the longest that DNS lists may take; a section may want less.
const (
	maxPatience   = 30 * time.Second
	usualPatience = 5 * time.Second
)

// newStanding makes it. Names are looked up by the resolver of the way in force.
func (s *service) newStanding() *standing {
	st := &standing{names: inForce{s}, registry: prometheus.WrapRegistererWith(prometheus.Labels{"service": s.label}, s.process.registry)}
	st.failures = prometheus.NewCounterVec(prometheus.CounterOpts{
		Namespace: "posthouse", Name: "milter_failures_total", Help: "Times that a milter could not be asked, and its default_action stood in.",
	}, []string{"milter"})
	st.verdicts = relay.NewVerdicts(nil, 0)
	st.servers = delegation.New(delegation.Options{Log: s.log})
	st.lists = dnsbl.New(dnsbl.Options{Resolver: st.names, Timeout: maxPatience, Log: s.log, Metrics: st.registry})
	return st
}

func (st *standing) close() error { return errors.Join(st.room.close(), st.servers.Close()) }

// inForce is a Resolver: that of the snapshot in force.
type inForce struct{ s *service }

func (i inForce) now() resolver.Resolver {
	if w := i.s.way.Load(); w != nil {
		return w.snapshot.names
	}
	return i.s.current.names
}

func (i inForce) MX(ctx context.Context, domain string) ([]resolver.MX, error) {
	return i.now().MX(ctx, domain)
}

func (i inForce) Addrs(ctx context.Context, host string) ([]netip.Addr, error) {
	return i.now().Addrs(ctx, host)
}

func (i inForce) TXT(ctx context.Context, name string) ([]string, error) {
	return i.now().TXT(ctx, name)
}

func (i inForce) PTR(ctx context.Context, addr netip.Addr) ([]string, error) {
	return i.now().PTR(ctx, addr)
}

func (i inForce) Ask(ctx context.Context, name string, rrtype uint16) (resolver.Answer, error) {
	return i.now().Ask(ctx, name, rrtype)
}

// Known is what the resolver remembers.
func (i inForce) Known(name string, rrtype uint16) (answer resolver.Answer, err error, known bool) {
	if m, ok := i.now().(interface {
		Known(name string, rrtype uint16) (resolver.Answer, error, bool)
	}); ok {
		return m.Known(name, rrtype)
	}
	return resolver.Answer{}, nil, false
}
