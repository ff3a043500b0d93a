// SPDX-License-Identifier: MIT

package upstream

import (
	"net/netip"
	"time"
)

// State is a word for what a member can do just now. Where several are true, the first of this list is it.
type State string

// The states.
const (
	Down      State = "down"       // by configuration
	Drained   State = "drained"    // by Drain
	Unhealthy State = "unhealthy"  // by active checks
	Failed    State = "failed"     // max_fails; tried again after Until
	Full      State = "full"       // max_conns
	SlowStart State = "slow start" // on its way to full weight
	Up        State = "up"
)

// Status is all there is to know about a member, at one moment.
type Status struct {
	Name      string         // as configured
	Addr      netip.AddrPort // zero for a socket, and for a name that is not placed
	Backup    bool
	Weight    int
	Effective float64 // weight less what failures took and slow start withholds
	State     State
	Why       string    // of Unhealthy and Failed, where somebody said
	Until     time.Time // end of Failed; zero if it is tried at the next occasion
	Conns     int       // now
	MaxConns  int       // 0: no limit
	Fails     int       // since the last OK
	Picked    uint64    // connections in all
	Failures  uint64    // in all
	Changed   time.Time // when it last went out or came back; zero: never
}

// Status is that of now.
func (m *Member) Status() Status {
	m.group.mu.Lock()
	defer m.group.mu.Unlock()
	now := m.group.o.Now()
	s := Status{
		Name: m.name, Addr: m.addr, Backup: m.Backup, Weight: m.Weight, Effective: float64(m.scale(m.effective, now)) / unit,
		State: m.word(now), Conns: m.conns, MaxConns: m.MaxConns, Fails: m.fails, Picked: m.picked, Failures: m.failures, Changed: m.changed,
	}
	if s.State == Unhealthy || s.State == Failed {
		s.Why = m.because
	}
	if s.State == Failed && m.failed(now) {
		s.Until = m.checked.Add(time.Duration(m.FailTimeout))
	}
	return s
}

func (m *Member) word(now time.Time) State {
	switch {
	case m.Down:
		return Down
	case m.drained:
		return Drained
	case m.unhealthy:
		return Unhealthy
	case m.spent():
		return Failed
	case m.full():
		return Full
	case m.slowly(now):
		return SlowStart
	}
	return Up
}
