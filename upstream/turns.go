// SPDX-License-Identifier: MIT

package upstream

// roundRobin is the smooth weighted one, which gives weights 5, 1, 1 the order a a b a c a a; with a name, among its members
// only.
func (c *choice) roundRobin(members []*Member, name string) *Member {
	var best *Member
	var total int64
	for _, m := range members {
		if name != "" && m.name != name || !c.may(m) {
			continue
		}
		total += c.turn(m)
		if best == nil || m.current > best.current {
			best = m
		}
	}
	if best != nil {
		best.current -= total
	}
	return best
}

// turn adds a member's share to what it has, and is that share. What failures took comes back by one.
func (c *choice) turn(m *Member) int64 {
	share := m.scale(m.effective, c.now)
	m.current += share
	if m.effective < m.Weight {
		m.effective++
	}
	return share
}

// leastConn takes the fewest connections by weight; equal ones take turns.
func (c *choice) leastConn(members []*Member) *Member {
	var best *Member
	first, many, extra := 0, false, c.extra(members)
	for i, m := range members {
		if !c.may(m) {
			continue
		}
		less := -1
		if best != nil {
			less = c.compare(m, best, extra)
		}
		if less < 0 {
			best, first, many = m, i, false
		} else if less == 0 {
			many = true
		}
	}
	if many {
		best = c.equals(members[first:], best, extra)
	}
	return best
}

// equals is the round robin among those that have as few connections as the first.
func (c *choice) equals(members []*Member, best *Member, extra int) *Member {
	var total int64
	for _, m := range members {
		if !c.may(m) || c.compare(m, best, extra) != 0 {
			continue
		}
		total += c.turn(m)
		if m.current > best.current {
			best = m
		}
	}
	best.current -= total
	return best
}

// compare is negative if a has fewer connections for its weight than b.
func (c *choice) compare(a, b *Member, extra int) int {
	x := int64(a.conns+extra) * b.scale(b.Weight, c.now)
	y := int64(b.conns+extra) * a.scale(a.Weight, c.now)
	switch {
	case x < y:
		return -1
	case x > y:
		return 1
	}
	return 0
}

// extra is 1 while a member is in slow start: then the connection to come is counted too, for none would be the fewest at
// any weight.
func (c *choice) extra(members []*Member) int {
	for _, m := range members {
		if m.slowly(c.now) && c.may(m) {
			return 1
		}
	}
	return 0
}
