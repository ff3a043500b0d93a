// SPDX-License-Identifier: MIT

package balancer

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"sync"

	"posthouse/balancer/health"
	"posthouse/upstream"
)

// place gives the servers of a host name its addresses.
func (w *way) place(host string, addrs []netip.Addr, d *drains) {
	w.placing.Lock()
	defer w.placing.Unlock()
	w.put(host, addrs)
	w.settle(d)
}

func (w *way) put(host string, addrs []netip.Addr) {
	for i, u := range w.Upstream {
		if named(u) && u.Address.Host == host {
			w.group.Place(i, addrs)
		}
	}
}

// settle has all follow the members that there are now.
func (w *way) settle(d *drains) {
	members := w.group.Members()
	d.apply(w.service.name, members)
	w.service.forget(members)
	if w.checks != nil {
		w.checks.set(w, members)
		return
	}
	for _, m := range members {
		m.SetHealthy(true, "") // what the checks of an earlier configuration found is nobody's to take back
	}
}

// usable reports a state in which a member takes connections, or would if it had room.
func usable(s upstream.State) bool {
	return s == upstream.Up || s == upstream.SlowStart || s == upstream.Full
}

// look says it in the log when a member went out or came back since the last look. What fail_timeout ends is not a return:
// the member has to answer first.
func (w *way) look(m *upstream.Member) {
	st := m.Status()
	if st.State == upstream.Drained || st.State == upstream.Down {
		return // an operator did it, and knows
	}
	up, at := usable(st.State), placeOf(m)
	if w.service.changed(at, up) {
		w.service.journal.say(&stateLine{w.service.name, at, up, string(st.State), st.Why})
	}
}

// place is one address of a server.
type place struct {
	name string
	addr netip.AddrPort
}

func placeOf(m *upstream.Member) place { return place{m.Name(), m.Addr()} }

// changed notes whether a member is up, and reports that it was not so before. All are up at first.
func (s *service) changed(at place, up bool) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.out[at] == !up {
		return false
	}
	if up {
		delete(s.out, at)
	} else {
		s.out[at] = true
	}
	s.anyOut.Store(len(s.out) > 0)
	return true
}

// forget drops what was noted of members that are gone.
func (s *service) forget(but []*upstream.Member) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for at := range s.out {
		if !slices.ContainsFunc(but, func(m *upstream.Member) bool { return placeOf(m) == at }) {
			delete(s.out, at)
		}
	}
	s.anyOut.Store(len(s.out) > 0)
}

// checks asks the members of a way whether they are well.
type checks struct {
	runner *health.Runner[place]
	proxy  int // spoken first; 0: none

	mu      sync.Mutex
	members map[place][]*upstream.Member // a server may stand in the list twice
}

// newChecks makes the checks of a way; nil if it has none.
func newChecks(w *way, hello string) (*checks, error) {
	if w.HealthCheck == nil {
		return nil, nil
	}
	checker, err := health.New(*w.HealthCheck, health.Options{Hello: hello})
	if err != nil {
		return nil, fmt.Errorf("health_check: %w", err)
	}
	c := &checks{proxy: w.version()}
	c.runner = health.NewRunner(*w.HealthCheck, checker.Check, func(at place, err error) { c.report(w, at, err) })
	return c, nil
}

// set says whom to check.
func (c *checks) set(w *way, members []*upstream.Member) {
	targets := make(map[place]health.Target)
	known := make(map[place][]*upstream.Member)
	for _, m := range members {
		if m.Down {
			continue
		}
		at := placeOf(m)
		targets[at] = health.Target{Addr: m.Addr(), Path: m.Path(), Name: m.Address.Host, Proxy: c.proxy}
		known[at] = append(known[at], m)
	}
	c.mu.Lock()
	c.members = known
	c.mu.Unlock()
	c.runner.Set(targets)
}

func (c *checks) report(w *way, at place, err error) {
	c.mu.Lock()
	members := c.members[at]
	c.mu.Unlock()
	why := ""
	if err != nil {
		why = err.Error()
	}
	for _, m := range members {
		m.SetHealthy(err == nil, why)
		w.look(m)
	}
}

func (c *checks) run(ctx context.Context) { c.runner.Run(ctx) }
