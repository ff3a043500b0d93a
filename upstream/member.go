// SPDX-License-Identifier: MIT

package upstream

import (
	"net/netip"
	"time"
)

// Member is a server of a group, or one address of it.
type Member struct {
	Server
	group *Group
	name  string
	addr  netip.AddrPort
	*state
}

// state is what became of a member lately. The names are NGINX's where it has them. Under the group's mutex.
type state struct {
	effective int   // weight less what failures took
	current   int64 // of the smooth weighted round robin, in shares
	conns     int
	fails     int
	accessed  time.Time // last failure
	checked   time.Time // last failure, or first choice after fail_timeout
	desperate bool      // chosen while it was out
	slow      time.Time // when slow start began; zero: not in it
	unhealthy bool      // by active checks
	drained   bool
	because   string // why unhealthy, or the last failure
	picked    uint64
	failures  uint64
	changed   time.Time
}

// Addr is where to connect; zero for a socket, and for a host name of New.
func (m *Member) Addr() netip.AddrPort { return m.addr }

// Path is that of a unix socket, or "".
func (m *Member) Path() string { return m.Address.Path }

// Name is the server as configured: host:port or unix:/path.
func (m *Member) Name() string { return m.name }

// Release ends a connection that Pick counted, whatever became of it.
func (m *Member) Release() {
	m.group.mu.Lock()
	defer m.group.mu.Unlock()
	m.conns--
}

// OK says that the member answered: the connection stands. That forgets its failures if it was chosen fail_timeout after the
// last one, or while it was out.
func (m *Member) OK() {
	m.group.mu.Lock()
	defer m.group.mu.Unlock()
	if m.fails == 0 || !m.accessed.Before(m.checked) && !m.desperate {
		return
	}
	if m.spent() {
		m.rise()
	}
	m.fails, m.desperate = 0, false
}

// Fail counts a failure: no connection, or none that could be used. A refusal of mail by a working server is none.
func (m *Member) Fail() { m.FailBecause("") }

// FailBecause is Fail with a reason for the status.
func (m *Member) FailBecause(why string) {
	m.group.mu.Lock()
	defer m.group.mu.Unlock()
	now := m.group.o.Now()
	m.failures++
	m.desperate, m.because = false, why
	if m.MaxFails == 0 || m.group.single {
		m.fails = 0
		return
	}
	if m.fails == m.MaxFails-1 {
		m.changed = now
	}
	m.fails++
	m.accessed, m.checked = now, now
	m.effective = max(0, m.effective-m.Weight/m.MaxFails)
}

// SetHealthy is what active checks found, and why if not. Coming back begins slow start, and forgets failures.
func (m *Member) SetHealthy(ok bool, why string) {
	m.group.mu.Lock()
	defer m.group.mu.Unlock()
	if ok == !m.unhealthy {
		return
	}
	m.unhealthy, m.because = !ok, why
	m.changed = m.group.o.Now()
	if ok {
		m.fails, m.effective = 0, m.Weight
		m.rise()
	}
}

// Drain takes the member out of choice or brings it back, with slow start. Connections that stand are not touched.
func (m *Member) Drain(on bool) {
	m.group.mu.Lock()
	defer m.group.mu.Unlock()
	if on == m.drained {
		return
	}
	m.drained = on
	m.changed = m.group.o.Now()
	if !on {
		m.rise()
	}
}

// rise begins slow start.
func (m *Member) rise() {
	m.changed = m.group.o.Now()
	m.slow = time.Time{}
	if m.group.o.SlowStart > 0 {
		m.slow = m.changed
	}
}

// spent reports that it has failed as often as it may.
func (m *Member) spent() bool { return m.MaxFails > 0 && m.fails >= m.MaxFails && !m.group.single }

// failed reports that it is left out just now. NGINX counts whole seconds here; this is exact.
func (m *Member) failed(now time.Time) bool {
	return m.spent() && now.Sub(m.checked) <= time.Duration(m.FailTimeout)
}

func (m *Member) full() bool { return m.MaxConns > 0 && m.conns >= m.MaxConns }

// unit is the share of weight 1, so that slow start can give less.
const unit = 1000

// slowly reports that the member is in slow start.
func (m *Member) slowly(now time.Time) bool {
	if !m.slow.IsZero() && now.Sub(m.slow) >= m.group.o.SlowStart {
		m.slow = time.Time{}
	}
	return !m.slow.IsZero()
}

// scale is so much of a weight as slow start gives just now, in shares; a weight that is not 0 has at least one.
func (m *Member) scale(weight int, now time.Time) int64 {
	whole := int64(weight) * unit
	if !m.slowly(now) {
		return whole
	}
	part := float64(now.Sub(m.slow)) / float64(m.group.o.SlowStart)
	return max(min(whole, 1), int64(float64(whole)*part))
}
