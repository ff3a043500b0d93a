// SPDX-License-Identifier: MIT

package balancer

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"time"

	"posthouse/balancer/loop"
	"posthouse/internal/admin"
	"posthouse/upstream"
)

// ServiceStatus is one answer of balancer.status: a service at one moment.
type ServiceStatus struct {
	Service     string           `json:"service"`
	Listen      []string         `json:"listen"` // where it does, in truth
	Method      string           `json:"method"`
	Sessions    int64            `json:"sessions"` // now
	Ended       map[string]int64 `json:"ended,omitempty"`
	Refused     map[string]int64 `json:"refused,omitempty"`
	FromClients int64            `json:"from_clients"` // bytes of sessions that have ended
	FromServers int64            `json:"from_servers"`
	Servers     []ServerStatus   `json:"servers"`
}

// ServerStatus is a server, or one of the addresses that its name has.
type ServerStatus struct {
	Server      string         `json:"server"` // as configured
	Address     netip.AddrPort `json:"address,omitzero"`
	Backup      bool           `json:"backup,omitempty"`
	Weight      int            `json:"weight"`
	Effective   float64        `json:"effective"` // weight less what failures took and slow start withholds
	State       upstream.State `json:"state"`
	Why         string         `json:"why,omitempty"`
	Until       time.Time      `json:"until,omitzero"` // it is tried again
	Since       time.Time      `json:"since,omitzero"` // of the last change
	Connections int            `json:"connections"`
	MaxConns    int            `json:"max_conns,omitempty"`
	Fails       int            `json:"fails,omitempty"`
	Picked      uint64         `json:"picked"`
	Failures    uint64         `json:"failures,omitempty"`
}

// noAddress is the state of a server whose name has none.
const noAddress upstream.State = "no address"

// Verbs are the commands for the control socket. balancer.status answers with a ServiceStatus for each service, the other
// two with what they Changed.
func (b *Balancer) Verbs() map[string]admin.Handler {
	return map[string]admin.Handler{
		"balancer.status":  b.status,
		"balancer.drain":   b.drain(true),
		"balancer.undrain": b.drain(false),
	}
}

func (b *Balancer) status(_ context.Context, raw json.RawMessage, reply func(any) error) error {
	var args Arguments
	if len(raw) > 0 {
		if err := json.Unmarshal(raw, &args); err != nil {
			return fmt.Errorf("arguments: %w", err)
		}
	}
	ways, err := b.waysOf(args.Service)
	if err != nil {
		return err
	}
	found := args.Server == ""
	for _, w := range ways {
		s := w.status()
		if args.Server != "" {
			if s.Servers = only(s.Servers, w.find(args.Server)); len(s.Servers) == 0 {
				continue
			}
			found = true
		}
		if err := reply(s); err != nil {
			return err
		}
	}
	if !found {
		return unknownServer(args.Server, ways)
	}
	return nil
}

// only are the rows of a target.
func only(rows []ServerStatus, t target) []ServerStatus {
	return slices.DeleteFunc(rows, func(s ServerStatus) bool {
		return !slices.Contains(t.entries, s.Server) && (t.whole || !slices.Contains(t.entries, s.Address.String()))
	})
}

// waysOf is one service's way, or those of all in the order of their names.
func (b *Balancer) waysOf(service string) ([]*way, error) {
	if service == "" {
		return b.ways(), nil
	}
	if s := b.services[service]; s != nil {
		return []*way{s.way.Load()}, nil
	}
	return nil, fmt.Errorf("no service %q; there are: %s", service, strings.Join(slices.Sorted(maps.Keys(b.services)), ", "))
}

// ways are those in force, by name.
func (b *Balancer) ways() []*way {
	out := make([]*way, 0, len(b.services))
	for _, name := range slices.Sorted(maps.Keys(b.services)) {
		out = append(out, b.services[name].way.Load())
	}
	return out
}

func (w *way) status() ServiceStatus {
	c := &w.service.counts
	s := ServiceStatus{
		Service: w.service.name, Method: w.Method, Sessions: c.current.Load(), Ended: c.reasons(), Refused: c.refusals(),
		FromClients: c.fromClient.Load(), FromServers: c.fromServer.Load(), Listen: []string{},
	}
	for _, d := range w.service.opened() {
		s.Listen = append(s.Listen, d.at)
	}
	s.Servers = w.table()
	return s
}

// table is the rows of all servers, in the order of the file, primaries first.
func (w *way) table() []ServerStatus {
	members := w.group.Members()
	var rows []ServerStatus
	for _, backup := range []bool{false, true} {
		for _, u := range w.Upstream {
			if u.Backup == backup {
				rows = append(rows, w.rows(u, members)...)
			}
		}
	}
	return rows
}

// rows are a server's: one for each address, or one that says that there is none.
func (w *way) rows(u upstream.Server, members []*upstream.Member) []ServerStatus {
	var rows []ServerStatus
	for _, m := range members {
		if m.Name() == u.Address.String() && m.Server == u {
			rows = append(rows, rowOf(m.Status()))
		}
	}
	if len(rows) > 0 {
		return rows
	}
	state := noAddress
	if u.Down {
		state = upstream.Down
	}
	return []ServerStatus{{Server: u.Address.String(), Backup: u.Backup, Weight: u.Weight, State: state, MaxConns: u.MaxConns}}
}

func rowOf(s upstream.Status) ServerStatus {
	return ServerStatus{
		Server: s.Name, Address: s.Addr, Backup: s.Backup, Weight: s.Weight, Effective: s.Effective, State: s.State, Why: s.Why,
		Until: s.Until, Since: s.Changed, Connections: s.Conns, MaxConns: s.MaxConns, Fails: s.Fails, Picked: s.Picked, Failures: s.Failures,
	}
}

// reasons are the ends of sessions, those that occurred.
func (c *counts) reasons() map[string]int64 {
	out := make(map[string]int64)
	for i := range c.ended {
		if n := c.ended[i].Load(); n > 0 {
			out[label(loop.Reason(i))] = n
		}
	}
	return out
}

func (c *counts) refusals() map[string]int64 {
	out := make(map[string]int64)
	for i := range c.refused {
		if n := c.refused[i].Load(); n > 0 {
			out[refusal(i).String()] = n
		}
	}
	return out
}
