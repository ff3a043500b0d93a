// SPDX-License-Identifier: MIT

package balancer

import (
	"context"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"sync"
	"time"

	"posthouse/internal/listen"
	"posthouse/table"
)

// watchInterval is how often the files of networks are looked at.
const watchInterval = 2 * time.Second

// snapshot is one reading of the cluster file, with what was opened for it and what follows it.
type snapshot struct {
	Options
	ways    map[string]*way
	follows []func(context.Context) // each until its context ends

	stop context.CancelFunc
	done sync.WaitGroup
}

// open makes a snapshot for the services that run. Nothing that is in force changes.
func (b *Balancer) open(o Options) (*snapshot, error) {
	s := &snapshot{Options: o, ways: make(map[string]*way)}
	exempt := newNetworks(o.Networks)
	for _, name := range slices.Sorted(maps.Keys(b.services)) {
		w, err := b.openWay(b.services[name], o, exempt)
		if err != nil {
			return nil, fmt.Errorf("balancer.%s: %w", name, err)
		}
		s.ways[name] = w
	}
	b.names.learn(o.Resolver, s.hosts())
	s.watch(b)
	s.followNames(b)
	s.followServers()
	return s, nil
}

// openWay makes a service's. One that is gone from the file goes on with what it has until a restart.
func (b *Balancer) openWay(svc *service, o Options, exempt *networks) (*way, error) {
	old, c := svc.way.Load(), o.Config[svc.name]
	if c == nil && old != nil {
		w := svc.newWay(old.Service, exempt, old)
		w.allow, w.deny = old.allow, old.deny
		var err error
		w.checks, err = newChecks(w, o.Hello)
		return w, err
	}
	if c == nil {
		return nil, fmt.Errorf("is empty: it needs listen and upstream")
	}
	w := svc.newWay(c, exempt, old)
	if err := w.openLists(o.Dir); err != nil {
		return nil, err
	}
	var err error
	w.checks, err = newChecks(w, o.Hello)
	return w, err
}

// hosts are the names of all services' servers, each once.
func (s *snapshot) hosts() []string {
	var all []string
	for _, w := range s.ways {
		all = append(all, w.hostNames()...)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// watch has the files of networks read again when they change.
func (s *snapshot) watch(b *Balancer) {
	interval := s.Watch
	if interval <= 0 {
		interval = watchInterval
	}
	watcher := table.NewWatcher(interval, func(err error) {
		b.log.Error("not taken over; the last good one stays in force", "error", err)
	})
	for name, w := range s.ways {
		for key, l := range map[string]*accessList{"allow": w.allow, "deny": w.deny} {
			if l != nil {
				watcher.Add("balancer."+name+"."+key, l.paths, l.reload)
			}
		}
	}
	s.follows = append(s.follows, watcher.Run)
}

// followNames has names asked again.
func (s *snapshot) followNames(b *Balancer) {
	for _, host := range s.hosts() {
		s.follows = append(s.follows, func(ctx context.Context) {
			b.names.follow(ctx, s.Resolver, host, func(addrs []netip.Addr) {
				for _, w := range s.ways {
					w.place(host, addrs, b.drains)
				}
			})
		})
	}
}

// followServers has them checked.
func (s *snapshot) followServers() {
	for _, w := range s.ways {
		if w.checks != nil {
			s.follows = append(s.follows, w.checks.run)
		}
	}
}

// start begins what follows the snapshot.
func (s *snapshot) start(base context.Context) {
	ctx, stop := context.WithCancel(base)
	s.stop = stop
	for _, f := range s.follows {
		s.done.Go(func() { f(ctx) })
	}
}

// wait ends it.
func (s *snapshot) wait() {
	if s.stop != nil {
		s.stop()
	}
	s.done.Wait()
}

// take puts a snapshot in force. B.turn is held, or nobody else knows b yet.
func (b *Balancer) take(s *snapshot) {
	if b.snapshot != nil {
		b.snapshot.wait()
	}
	for name, w := range s.ways {
		for _, host := range w.hostNames() {
			w.put(host, b.names.addrs(host))
		}
		w.settle(b.drains)
		b.services[name].take(w)
	}
	b.names.forget(s.hosts())
	b.snapshot = s
	if b.base != nil {
		s.start(b.base)
	}
}

// Reload takes over another configuration, all of it or nothing. Sessions keep what they began with; servers keep their
// state. Listeners, and with them services that came or went, stay as they are until a restart or an upgrade.
func (b *Balancer) Reload(o Options) error {
	b.turn.Lock()
	defer b.turn.Unlock()
	if b.closed {
		return fmt.Errorf("balancer: it takes no connections any more")
	}
	s, err := b.open(o)
	if err != nil {
		return err
	}
	b.take(s)
	for _, what := range b.needRestart(o.Config) {
		b.log.Warn("changed in the cluster file, but not in force before a restart or an upgrade", "setting", what)
	}
	return nil
}

// needRestart names what a reload cannot change.
func (b *Balancer) needRestart(c Config) []string {
	var out []string
	for name := range c {
		if b.services[name] == nil {
			out = append(out, "balancer."+name+" (new)")
		}
	}
	for name, s := range b.services {
		switch {
		case c[name] == nil:
			out = append(out, "balancer."+name+" (gone)")
		case !s.listensAsIn(c[name]):
			out = append(out, "balancer."+name+".listen")
		}
	}
	slices.Sort(out)
	return out
}

// listensAsIn reports that the open listeners are those of the file.
func (s *service) listensAsIn(c *Service) bool {
	doors := s.opened()
	if len(doors) != len(c.Listen) {
		return false
	}
	for _, d := range doors {
		if !slices.ContainsFunc(c.Listen, func(l listen.Config) bool { return l.Address == d.config.Address }) {
			return false
		}
	}
	return true
}
