// SPDX-License-Identifier: MIT

package upstream

import (
	"net/netip"
	"slices"
	"sync"
	"time"
)

// The methods of choice, in NGINX's words.
const (
	RoundRobin = "round_robin" // by turns and weight
	LeastConn  = "least_conn"  // fewest connections for its weight, then by turns
	Hash       = "hash"        // by the client's address, on a ring: NGINX's `hash $remote_addr consistent`
)

// Options of a group; the zero value is NGINX's default.
type Options struct {
	Method    string           // RoundRobin (also ""), LeastConn or Hash
	SlowStart time.Duration    // how long a server that comes back takes to its full weight; 0: at once. Nothing with Hash
	Now       func() time.Time // nil: time.Now
}

// Group is the servers of one list. It is safe for use by many at once.
type Group struct {
	o      Options
	mu     *sync.Mutex // one for a group and all that inherited from it: they share states
	places []*place    // as in the list
	tiers  [2]tier     // primaries, backups
	single bool        // one member only: nothing better to do than to use it
}

// place is a line of the list and what stands there.
type place struct {
	Server
	name    string
	members []*Member
	gone    []*Member // addresses that the name lost while they had connections or were drained
}

// tier is the members that are equal in rank.
type tier struct {
	members []*Member // in the order of the list
	lines   []line    // with Hash: what the ring was made from
	ring    ring
}

// New makes a group. A server with an IP address or a socket is a member; so is one with a host name, without an address:
// whoever uses it dials the name.
func New(servers []Server, o Options) *Group { return build(servers, o, false) }

// NewPlaced is New, but a server with a host name has no member until Place says its addresses. Each address is a member of
// its own with what the server's line says, as in NGINX.
func NewPlaced(servers []Server, o Options) *Group { return build(servers, o, true) }

func build(servers []Server, o Options, placed bool) *Group {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Method == Hash {
		o.SlowStart = 0
	}
	g := &Group{o: o, mu: new(sync.Mutex)}
	for _, s := range servers {
		s.Weight = max(s.Weight, 1)
		p := &place{Server: s, name: s.Address.String()}
		g.places = append(g.places, p)
		ip, err := netip.ParseAddr(s.Address.Host)
		if named := s.Address.Network == "tcp" && err != nil; !named || !placed {
			p.members = []*Member{g.member(p, ip)}
		}
	}
	g.arrange()
	return g
}

func (g *Group) member(p *place, ip netip.Addr) *Member {
	m := &Member{Server: p.Server, group: g, name: p.name, state: &state{effective: p.Weight}}
	if ip.IsValid() {
		m.addr = netip.AddrPortFrom(ip.Unmap(), uint16(p.Address.Port))
	}
	return m
}

// arrange makes the tiers from the places.
func (g *Group) arrange() {
	for i := range g.tiers {
		g.tiers[i].members = nil
	}
	for _, p := range g.places {
		t := &g.tiers[p.rank()]
		t.members = append(t.members, p.members...)
	}
	g.single = len(g.tiers[0].members)+len(g.tiers[1].members) == 1
	if g.o.Method == Hash {
		g.tiers[0].encircle()
		g.tiers[1].encircle()
	}
}

func (p *place) rank() int {
	if p.Backup {
		return 1
	}
	return 0
}

// Place says which addresses the name of a server has now; server is its index in the list. An address that stays keeps its
// state and its place in the order. One that is gone gets no new connections; those it has still count if it returns.
func (g *Group) Place(server int, addrs []netip.Addr) {
	g.mu.Lock()
	defer g.mu.Unlock()
	p := g.places[server]
	var stay, gone []*Member
	for _, m := range p.members {
		if slices.ContainsFunc(addrs, m.at) {
			stay = append(stay, m)
		} else {
			gone = append(gone, m)
		}
	}
	for _, ip := range addrs {
		if slices.ContainsFunc(stay, func(m *Member) bool { return m.at(ip) }) {
			continue
		}
		if i := slices.IndexFunc(p.gone, func(m *Member) bool { return m.at(ip) }); i >= 0 {
			stay = append(stay, p.gone[i])
			p.gone = slices.Delete(p.gone, i, i+1)
			continue
		}
		stay = append(stay, g.member(p, ip))
	}
	p.gone = slices.DeleteFunc(append(p.gone, gone...), func(m *Member) bool { return m.conns == 0 && !m.drained })
	if slices.Equal(stay, p.members) {
		return
	}
	p.members = stay
	g.arrange()
}

// at reports whether that is the member's address.
func (m *Member) at(ip netip.Addr) bool { return m.addr.Addr() == ip.Unmap() }

// Inherit takes over the state of the servers that old has too, by the text of the address and the address itself: at a
// reload, before the group is used. The old group may go on to be used; both count the same connections and failures.
// Names are placed where old has them. What active checks found stays until SetHealthy says otherwise.
func (g *Group) Inherit(old *Group) {
	old.mu.Lock()
	defer old.mu.Unlock()
	g.mu = old.mu
	taken := map[*state]bool{}
	for _, p := range g.places {
		for _, o := range old.places {
			if o.name == p.name && g.inherit(p, o, taken) {
				break
			}
		}
	}
	g.arrange()
}

// inherit gives the members of a line the states of the same addresses on a line of the old list, each state once. false: all
// are taken.
func (g *Group) inherit(p, old *place, taken map[*state]bool) (any bool) {
	if len(p.members) == 0 {
		for _, o := range old.members {
			p.members = append(p.members, g.member(p, o.addr.Addr()))
		}
	}
	for _, o := range old.gone {
		if !taken[o.state] {
			taken[o.state] = true
			p.gone = append(p.gone, &Member{Server: p.Server, group: g, name: p.name, addr: o.addr, state: o.state})
		}
	}
	for _, m := range p.members {
		i := slices.IndexFunc(old.members, func(o *Member) bool { return o.addr == m.addr && !taken[o.state] })
		if i < 0 {
			continue
		}
		o := old.members[i]
		m.state = o.state
		taken[m.state], any = true, true
		if o.Weight != m.Weight {
			m.effective = m.Weight
		}
	}
	return any
}

// Hold counts a connection that another process chose and handed over, whatever max_conns says, until Release; nil: no such
// member. name is as Member.Name has it; addr is zero for a socket.
func (g *Group) Hold(name string, addr netip.AddrPort) *Member {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, p := range g.places {
		if p.name != name {
			continue
		}
		for _, m := range slices.Concat(p.members, p.gone) {
			if m.addr == addr {
				m.conns++
				return m
			}
		}
	}
	return nil
}

// Members are all servers of the list with those that are down, primaries first.
func (g *Group) Members() []*Member {
	g.mu.Lock()
	defer g.mu.Unlock()
	return slices.Concat(g.tiers[0].members, g.tiers[1].members)
}
