// SPDX-License-Identifier: MIT

package balancer

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"posthouse/balancer/loop"
	"posthouse/resolver"
	"posthouse/upstream"
)

// Options of a Balancer.
type Options struct {
	Config   Config
	Networks []netip.Prefix        // mynetworks: exempt from the limits of one client
	Resolver resolver.Resolver     // of the servers' names
	Hello    string                // our host name, for the EHLO of a health check
	Dir      string                // base of relative paths
	State    string                // folder for what survives a restart; "": nothing does. Read at the start alone
	Watch    time.Duration         // how often files are looked at [2s]
	Log      *slog.Logger          // nil: slog.Default. Taken at the start alone, as what is below
	Registry prometheus.Registerer // nil: no metrics
	Loop     loop.Options
}

// Balancer runs the services of one process. Make it with New; then Serve for each listener, and Run.
type Balancer struct {
	log      *slog.Logger
	registry prometheus.Registerer
	metrics  *metrics
	engine   *loop.Engine
	journal  *journal
	names    *names
	drains   *drains
	services map[string]*service // those of the start, for good

	turn     sync.Mutex // one change at a time: reloads, commands, start and end
	snapshot *snapshot
	base     context.Context // of Run, while it runs
	closed   bool            // it accepts no more: it has ended, or was handed over
}

// New opens files, looks names up (for a few seconds at most: a service starts without addresses if need be) and makes the
// groups. It opens no socket of a service.
func New(o Options) (*Balancer, error) {
	if o.Log == nil {
		o.Log = slog.Default()
	}
	if o.Loop.Log == nil {
		o.Loop.Log = o.Log
	}
	b := &Balancer{log: o.Log, registry: o.Registry, journal: newJournal(o.Log), names: newNames(o.Log), services: make(map[string]*service)}
	for name := range o.Config {
		b.services[name] = newService(name, b.journal)
	}
	var err error
	if b.drains, err = openDrains(o.State); err != nil {
		return nil, err
	}
	s, err := b.open(o)
	if err != nil {
		return nil, err
	}
	if b.engine, err = loop.New(o.Loop); err != nil {
		return nil, err
	}
	b.take(s)
	b.metrics = newMetrics(b)
	if b.registry != nil {
		if err := b.registry.Register(b.metrics); err != nil {
			return nil, errors.Join(err, b.Close())
		}
	}
	return b, nil
}

// Serve accepts from the i-th listener of a service, by a descriptor of its own. It does not wait.
func (b *Balancer) Serve(service string, i int, l net.Listener) error {
	b.turn.Lock()
	defer b.turn.Unlock()
	s := b.services[service]
	if b.closed {
		return fmt.Errorf("balancer: it takes no connections any more")
	}
	if s == nil {
		return fmt.Errorf("balancer: there is no service %q", service)
	}
	w := s.way.Load()
	if i < 0 || i >= len(w.Listen) {
		return fmt.Errorf("balancer: %s has no listener %d", service, i)
	}
	d := &door{config: w.Listen[i], at: l.Addr().String()}
	var err error
	if d.door, err = b.engine.Serve(l, w.front(d.config)); err != nil {
		return fmt.Errorf("%s: listen on %s: %w", service, d.at, err)
	}
	s.serve(d)
	return nil
}

// Run checks servers, asks names again and follows files until stop ends, then waits for the sessions until hard ends and
// cuts what is left.
func (b *Balancer) Run(stop, hard context.Context) error {
	background, end := context.WithCancel(context.WithoutCancel(stop))
	logging, ended := context.WithCancel(context.Background())
	var log sync.WaitGroup
	log.Go(func() { b.journal.run(logging) })
	b.turn.Lock()
	b.base = background
	b.snapshot.start(background)
	b.turn.Unlock()

	<-stop.Done()
	err := b.engine.Shutdown(hard)
	b.turn.Lock()
	end()
	b.snapshot.wait()
	b.base, b.closed = nil, true
	b.turn.Unlock()
	b.unregister()
	ended()
	log.Wait()
	return err
}

// Close is for a Balancer that never ran.
func (b *Balancer) Close() error {
	b.turn.Lock()
	defer b.turn.Unlock()
	if b.closed {
		return nil
	}
	b.closed = true
	b.unregister()
	now, cancel := context.WithCancel(context.Background())
	cancel()
	return b.engine.Shutdown(now)
}

func (b *Balancer) unregister() {
	if b.registry != nil && b.metrics != nil {
		b.registry.Unregister(b.metrics)
	}
}

// Ready is nil, or why clients cannot be served. It does not wait.
func (b *Balancer) Ready() error {
	var problems []error
	for _, w := range b.ways() {
		switch {
		case len(w.service.opened()) == 0:
			problems = append(problems, fmt.Errorf("%s: does not listen yet", w.service.name))
		case !slices.ContainsFunc(w.group.Members(), func(m *upstream.Member) bool { return !m.Down }):
			problems = append(problems, fmt.Errorf("%s: no server has an address: their names cannot be looked up", w.service.name))
		}
	}
	return errors.Join(problems...)
}
