// SPDX-License-Identifier: MIT

package upstream

import (
	"sync"
	"time"
)

// Group is the servers of one list. It is safe for use by many at once.
type Group struct {
	now     func() time.Time
	mu      sync.Mutex
	members []*Member // primaries, then backups, as written
}

// Member is a server of a group and what became of it lately.
type Member struct {
	Server
	group   *Group
	turn    int // of the smooth weighted round robin
	conns   int
	fails   int
	checked time.Time // start of the window that fails counts in
	until   time.Time // out till then
}

// New makes a group; a nil now is time.Now.
func New(servers []Server, now func() time.Time) *Group {
	if now == nil {
		now = time.Now
	}
	g := &Group{now: now}
	for _, backup := range []bool{false, true} {
		for _, s := range servers {
			if s.Backup == backup && !s.Down {
				s.Weight = max(s.Weight, 1)
				g.members = append(g.members, &Member{Server: s, group: g})
			}
		}
	}
	return g
}

// Order is the members to try, the best first: primaries whose turn it is, then backups, those that are out left aside.
// When all are out, it is all of them. Empty only if all are down or full (max_conns).
func (g *Group) Order() []*Member {
	g.mu.Lock()
	defer g.mu.Unlock()
	now := g.now()
	up := make([]*Member, 0, len(g.members))
	for _, m := range g.members {
		if m.up(now) {
			up = append(up, m)
		}
	}
	if len(up) == 0 {
		up = append(up, g.members...)
	}
	up = free(up)
	rotate(up)
	return up
}

// free leaves out members that have all the connections they may have.
func free(members []*Member) []*Member {
	out := members[:0]
	for _, m := range members {
		if m.MaxConns == 0 || m.conns < m.MaxConns {
			out = append(out, m)
		}
	}
	return out
}

// rotate brings the member whose turn it is to the front of its tier: NGINX's smooth weighted round robin, which gives
// weights 5, 1, 1 the order a a b a c a a.
func rotate(members []*Member) {
	if len(members) == 0 {
		return
	}
	best, total := 0, 0
	for i, m := range members {
		if m.Backup != members[0].Backup {
			break
		}
		m.turn += m.Weight
		total += m.Weight
		if m.turn > members[best].turn {
			best = i
		}
	}
	chosen := members[best]
	chosen.turn -= total
	copy(members[1:best+1], members[:best])
	members[0] = chosen
}

// alone reports a group in which max_fails means nothing.
func (g *Group) alone() bool { return len(g.members) == 1 }

func (m *Member) up(now time.Time) bool {
	return m.group.alone() || !now.Before(m.until)
}

// Acquire counts a connection against max_conns; false: it has as many as it may. Release gives it back.
func (m *Member) Acquire() bool {
	m.group.mu.Lock()
	defer m.group.mu.Unlock()
	if m.MaxConns > 0 && m.conns >= m.MaxConns {
		return false
	}
	m.conns++
	return true
}

// Release ends what Acquire began.
func (m *Member) Release() {
	m.group.mu.Lock()
	defer m.group.mu.Unlock()
	m.conns--
}

// OK says that the member did its work: earlier failures are forgotten.
func (m *Member) OK() {
	m.group.mu.Lock()
	defer m.group.mu.Unlock()
	m.fails, m.until = 0, time.Time{}
}

// Fail counts a failure: no connection, or none that could be used. A refusal of mail by a working server is none.
func (m *Member) Fail() {
	m.group.mu.Lock()
	defer m.group.mu.Unlock()
	now, window := m.group.now(), time.Duration(m.FailTimeout)
	if now.Sub(m.checked) > window {
		m.fails, m.checked = 0, now
	}
	m.fails++
	if m.MaxFails > 0 && m.fails >= m.MaxFails {
		m.until, m.fails, m.checked = now.Add(window), m.MaxFails-1, now
	}
}

// Up reports that the member is not left out just now; for metrics and status pages.
func (m *Member) Up() bool {
	m.group.mu.Lock()
	defer m.group.mu.Unlock()
	return m.up(m.group.now())
}

// Members are all servers that are not down, primaries first.
func (g *Group) Members() []*Member { return append([]*Member(nil), g.members...) }
