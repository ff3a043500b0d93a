// SPDX-License-Identifier: MIT

package balancer

import (
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"posthouse/balancer/loop"
	"posthouse/balancer/proxy"
	"posthouse/internal/listen"
	"posthouse/limit"
	"posthouse/upstream"
)

// service is what of a service outlives a reload: its doors, and what has been counted.
type service struct {
	name    string
	journal *journal
	way     atomic.Pointer[way]
	clients limit.Gauge    // connections at once
	rates   *limit.Counter // connections a minute
	counts  counts

	mu      sync.Mutex
	doors   []*door
	servers map[string]*serverCounts // by configured name; those of earlier configurations too
	out     map[place]bool           // members that were out when last looked at

	anyOut atomic.Bool // of out, for the loops
}

// door is an open listener and what the cluster file said of it when it was opened.
type door struct {
	config listen.Config // under Balancer.turn
	at     string        // where it listens
	door   *loop.Door
}

func newService(name string, j *journal) *service {
	return &service{
		name: name, journal: j, rates: limit.New(limit.Options{}),
		servers: make(map[string]*serverCounts), out: make(map[place]bool),
	}
}

// server is where what a server does is counted.
func (s *service) server(name string) *serverCounts {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.servers[name]
	if c == nil {
		c = &serverCounts{}
		s.servers[name] = c
	}
	return c
}

// way is how a service treats connections, by one reading of the cluster file. A session keeps the one it began with.
type way struct {
	*Service
	service     *service
	group       *upstream.Group
	allow, deny *accessList
	exempt      *networks // from the limits of one client
	servers     map[string]*serverCounts
	checks      *checks            // nil: none
	inherited   func() *loop.Front // of all sessions that another process has begun: one, since each has lists of its own in the loops

	placing sync.Mutex // one change of the group's addresses at a time
}

// newWay makes a way, with the state of the servers that old has too; old may be nil.
func (s *service) newWay(c *Service, exempt *networks, old *way) *way {
	w := &way{Service: c, service: s, exempt: exempt, servers: make(map[string]*serverCounts)}
	w.inherited = sync.OnceValue(func() *loop.Front { return w.front(listen.Config{}) })
	w.group = upstream.NewPlaced(c.Upstream, upstream.Options{Method: c.Method, SlowStart: time.Duration(c.SlowStart)})
	if old != nil {
		w.group.Inherit(old.group)
	}
	for _, u := range c.Upstream {
		w.servers[u.Address.String()] = s.server(u.Address.String())
	}
	return w
}

// openLists reads the lists of networks. A nil list is an empty one.
func (w *way) openLists(dir string) (err error) {
	if w.allow, err = openAccess(w.Allow, dir); err != nil {
		return err
	}
	w.deny, err = openAccess(w.Deny, dir)
	return err
}

// front is what leads from a listener to the way.
func (w *way) front(l listen.Config) *loop.Front {
	f := &loop.Front{
		Name:           w.service.name,
		HeaderTimeout:  time.Duration(w.ProxyProtocolTimeout),
		ConnectTimeout: time.Duration(w.ConnectTimeout),
		IdleTimeout:    time.Duration(w.Timeout),
		UserTimeout:    time.Duration(w.UserTimeout),
		KeepAlive:      time.Duration(w.KeepAlive),
		Open:           w.open,
	}
	if !l.Proxied() {
		return f
	}
	f.Trusted = func(peer netip.Addr) bool {
		trusted := l.Trusted(peer)
		if !trusted {
			w.refuse(peer, untrusted, nil)
		}
		return trusted
	}
	f.Header = func(b []byte) (int, error) {
		n, err := proxy.Frame(b)
		if err != nil {
			w.refuse(netip.Addr{}, badHeader, err)
		}
		return n, err
	}
	f.Open = w.openProxied
	return f
}

// serve adds a door.
func (s *service) serve(d *door) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.doors = append(s.doors, d)
}

// opened are the doors of now.
func (s *service) opened() []*door {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]*door(nil), s.doors...)
}

// take puts a way in force for the connections to come. The lock is not held: a loop may wait for it.
func (s *service) take(w *way) {
	s.way.Store(w)
	for _, d := range s.opened() {
		d.config = w.listener(d.config)
		d.door.SetFront(w.front(d.config))
	}
}

// listener is what the way says of a listener that is open, or what was said of it before.
func (w *way) listener(open listen.Config) listen.Config {
	for _, l := range w.Listen {
		if l.Address == open.Address {
			return l
		}
	}
	return open
}
