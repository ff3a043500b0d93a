// SPDX-License-Identifier: MIT

package balancer

import (
	"context"
	"fmt"
	"net/netip"

	"posthouse/balancer/loop"
	"posthouse/limit"
	"posthouse/upstream"
)

// Info is what the process that takes a session over needs to know beside loop.Transfer.
type Info struct {
	Client  netip.AddrPort `json:"client,omitzero"`   // as it was announced, or the peer
	Server  string         `json:"server,omitempty"`  // as configured: "host:port", unix:/path
	Address netip.AddrPort `json:"address,omitzero"`  // of the server; zero for a unix socket
	Limited bool           `json:"limited,omitempty"` // counts for client_connection_count_limit
}

// Unwell is an address of a server that the health checks have found dead.
type Unwell struct {
	Service string         `json:"service"`
	Server  string         `json:"server"`
	Address netip.AddrPort `json:"address,omitzero"`
	Why     string         `json:"why"`
}

// maxUnwell bounds what Unwell says, in bytes. Of the rest the other process finds out by itself.
const maxUnwell = 16 << 10

// Unwell is for the SetUnwell of a process that takes over.
func (b *Balancer) Unwell() []Unwell {
	var all []Unwell
	size := 0
	for _, w := range b.ways() {
		for _, m := range w.group.Members() {
			st := m.Status()
			if st.State != upstream.Unhealthy {
				continue
			}
			u := Unwell{w.service.name, m.Name(), m.Addr(), fmt.Sprintf("%.200s", st.Why)}
			if size += len(u.Service) + len(u.Server) + len(u.Why) + 100; size > maxUnwell {
				return all
			}
			all = append(all, u)
		}
	}
	return all
}

// SetUnwell believes what another process has found out, until the first check of this one, so that no client pays for an upgrade. It
// is for a Balancer that does not Run yet.
func (b *Balancer) SetUnwell(all []Unwell) {
	for _, w := range b.ways() {
		if w.checks == nil {
			continue // nobody would take it back
		}
		for _, m := range w.group.Members() {
			at := placeOf(m)
			for _, u := range all {
				if u.Service == w.service.name && at == (place{u.Server, u.Address}) {
					m.SetHealthy(false, u.Why)
					w.look(m)
				}
			}
		}
	}
}

// Surrender closes the doors and gives every session to another process, once it is established. An error of give leaves
// that session here.
func (b *Balancer) Surrender(ctx context.Context, give func(loop.Transfer, Info) error) error {
	b.turn.Lock()
	b.closed = true
	for _, s := range b.services {
		for _, d := range s.opened() {
			d.door.Close()
		}
	}
	b.turn.Unlock()
	return b.engine.Surrender(ctx, func(t loop.Transfer) error {
		v, ok := t.Visit.(*visit)
		if !ok {
			return fmt.Errorf("balancer: a session of %s is nobody's visit", t.Front)
		}
		return give(t, v.info())
	})
}

func (v *visit) info() Info {
	return Info{Client: v.client, Server: v.server.name, Address: v.server.addr, Limited: v.limited != ""}
}

// Adopt takes a session from another process. The descriptors are the balancer's afterwards, also when it fails. A service
// or server that is not in the configuration any more is no reason to refuse.
func (b *Balancer) Adopt(t loop.Transfer, i Info) error {
	w := b.wayFor(t.Front)
	v := &visit{way: w, client: i.Client, tries: 1, server: place{i.Server, i.Address}}
	v.member = w.group.Hold(i.Server, i.Address) // nil: it is gone
	if i.Limited && i.Client.IsValid() {
		v.limited = limit.Client(i.Client.Addr())
		w.service.clients.Acquire(v.limited, 0)
	}
	w.service.counts.begin()
	if err := b.engine.Adopt(t, w.inherited(), v); err != nil {
		v.Done(loop.Result{Reason: loop.Failed, Err: err})
		return fmt.Errorf("%s: take over the session of %s: %w", t.Front, client(i.Client), err)
	}
	return nil
}

// wayFor is a service's, or one with the defaults for sessions of a service that is gone.
func (b *Balancer) wayFor(name string) *way {
	if s := b.services[name]; s != nil {
		return s.way.Load()
	}
	c := &Service{}
	c.SetDefaults()
	return newService(name, b.journal).newWay(c, newNetworks(nil), nil)
}
