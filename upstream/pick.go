// SPDX-License-Identifier: MIT

package upstream

import (
	"net/netip"
	"time"
)

// Visit is one client's way through a group: who was tried. The zero value is ready.
type Visit struct {
	Client netip.Addr // what Hash goes by; zero: a client on a unix socket

	tried  [3]*state
	more   []*state // after the first few
	count  int
	pass   pass
	placed bool // on the ring
	point  int
	tries  int // points of the ring that led to nobody
}

// pass is a way of choosing; a visit goes from each to the next when it has nobody left.
type pass uint8

// The bits of a pass.
const (
	backups     pass = 1 << iota // the second tier, not the first
	desperately                  // also those that failed or are unhealthy
	drainedToo                   // also those that are drained
	passes
)

// Pick is the member for a visit's next try, or nil if there is none left, and counts a connection until Release. No member
// comes twice in a visit. Say OK or Fail as soon as it is known.
func (g *Group) Pick(v *Visit) *Member {
	g.mu.Lock()
	defer g.mu.Unlock()
	c := choice{g: g, v: v, now: g.o.Now()}
	for v.pass < passes {
		if m := c.best(); m != nil {
			c.take(m)
			return m
		}
		c.next()
	}
	return nil
}

// Left is how many members may still come after the one that Pick gave just now, those aside that are out as long as others
// are not; for who divides the time among them.
func (g *Group) Left(v *Visit) int {
	g.mu.Lock()
	defer g.mu.Unlock()
	n, c := 0, choice{g: g, v: v, now: g.o.Now()}
	if v.pass >= passes {
		return 0
	}
	for _, t := range g.tiers[v.pass&backups:] {
		for _, m := range t.members {
			if c.may(m) {
				n++
			}
		}
	}
	return n
}

// Tried is how many members the visit was given.
func (v *Visit) Tried() int { return v.count }

// choice is one Pick.
type choice struct {
	g   *Group
	v   *Visit
	now time.Time
}

// next goes to the next pass. Drained members come only if there is nobody else in the whole group.
func (c *choice) next() {
	c.v.pass++
	c.v.placed, c.v.tries = false, 0
	if c.v.pass&drainedToo != 0 && !c.g.allDrained() {
		c.v.pass = passes
	}
}

func (g *Group) allDrained() bool {
	for _, t := range g.tiers {
		for _, m := range t.members {
			if !m.drained && !m.Down {
				return false
			}
		}
	}
	return true
}

// may reports whether a member can be chosen in this pass.
func (c *choice) may(m *Member) bool {
	if m.Down || m.full() || c.v.pass&drainedToo == 0 && m.drained {
		return false
	}
	if c.v.pass&desperately == 0 && (m.unhealthy || m.failed(c.now)) {
		return false
	}
	return !c.v.has(m.state)
}

func (c *choice) best() *Member {
	t := &c.g.tiers[c.v.pass&backups]
	switch {
	case len(t.members) == 0:
		return nil
	case c.g.o.Method == LeastConn:
		return c.leastConn(t.members)
	case c.g.o.Method == Hash:
		return c.hash(t)
	}
	return c.roundRobin(t.members, "")
}

// take notes the choice. Who was out and may be tried again gets this connection alone, until it is OK.
func (c *choice) take(m *Member) {
	m.conns++
	m.picked++
	m.desperate = m.desperate || m.failed(c.now)
	if c.now.Sub(m.checked) > time.Duration(m.FailTimeout) {
		m.checked = c.now
	}
	c.v.add(m.state)
}

func (v *Visit) has(s *state) bool {
	for _, t := range v.tried[:min(v.count, len(v.tried))] {
		if t == s {
			return true
		}
	}
	for _, t := range v.more {
		if t == s {
			return true
		}
	}
	return false
}

func (v *Visit) add(s *state) {
	if v.count < len(v.tried) {
		v.tried[v.count] = s
	} else {
		v.more = append(v.more, s)
	}
	v.count++
}
