// SPDX-License-Identifier: MIT

package upstream

import (
	"net/netip"
	"strings"
	"testing"
	"time"
)

func addrs(texts ...string) []netip.Addr {
	var out []netip.Addr
	for _, s := range texts {
		out = append(out, netip.MustParseAddr(s))
	}
	return out
}

func TestHealth(t *testing.T) {
	t.Parallel()
	c := start()
	g := group(c, "", server("a", nil), server("b", nil), server("c", backup))
	a, b := g.Members()[0], g.Members()[1]
	a.SetHealthy(false, "no EHLO")
	want(t, g, "b c a", "b c a")
	if s := a.Status(); s.State != Unhealthy || s.Why != "no EHLO" || s.Changed != c.Time {
		t.Errorf("%+v", s)
	}
	a.OK() // a client had luck
	want(t, g, "b c a")
	b.SetHealthy(false, "no banner")
	want(t, g, "c a b")
	b.Fail()
	b.SetHealthy(true, "")
	want(t, g, "b c a")
	if s := b.Status(); s.State != Up || s.Why != "" || s.Fails != 0 {
		t.Errorf("%+v", s)
	}
}

// A drained server gets nothing, even as the last hope, unless there is nobody who is not.
func TestDrain(t *testing.T) {
	t.Parallel()
	g := group(start(), "", server("a", nil), server("b", nil), server("down", func(s *Server) { s.Down = true }))
	a, b := g.Members()[0], g.Members()[1]
	session := g.Pick(new(Visit))
	a.Drain(true)
	want(t, g, "b")
	b.Fail()
	b.SetHealthy(false, "")
	want(t, g, "b")
	if s := a.Status(); s.State != Drained || s.Conns != 1 {
		t.Errorf("%+v", s)
	}
	session.Release()
	b.Drain(true)
	want(t, g, "a b")
	a.Drain(false)
	want(t, g, "a")
}

// sum is how many of n connections a server gets.
func sum(g *Group, host string, n int) int {
	return strings.Count(first(g, n), host)
}

func TestSlowStart(t *testing.T) {
	t.Parallel()
	for name, back := range map[string]func(*clock, *Group, *Member){
		"healthy": func(_ *clock, _ *Group, m *Member) { m.SetHealthy(false, ""); m.SetHealthy(true, "") },
		"drained": func(_ *clock, _ *Group, m *Member) { m.Drain(true); m.Drain(false) },
		"failed": func(c *clock, g *Group, m *Member) {
			m.Fail()
			c.Time = c.Add(11 * time.Second)
			pickUntil(g, m)
			m.OK()
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := start()
			g := New([]Server{server("a", weight(2)), server("b", weight(2))}, Options{SlowStart: 100 * time.Second, Now: c.now})
			if got := sum(g, "a", 1000); got != 500 {
				t.Errorf("at first: %d", got)
			}
			a := g.Members()[0]
			back(c, g, a)
			began := c.Time
			for seconds, share := range map[int]int{0: 0, 10: 91, 50: 333, 99: 497} {
				c.Time = began.Add(time.Duration(seconds) * time.Second)
				first(g, 10) // what failures took is back
				if got := sum(g, "a", 1000); got < share-4 || got > share+4 {
					t.Errorf("after %d s: %d of 1000, want about %d", seconds, got, share)
				}
				if s := a.Status(); s.State != SlowStart || s.Effective > 2*float64(max(seconds, 1))/100 {
					t.Errorf("after %d s: %+v", seconds, s)
				}
			}
			c.Time = began.Add(100 * time.Second)
			if s := a.Status(); s.State != Up || s.Effective != 2 {
				t.Errorf("afterwards: %+v", s)
			}
		})
	}
}

// A server that comes back with no connections is not given all new ones until it has as many as the others.
func TestSlowStartOfLeastConn(t *testing.T) {
	t.Parallel()
	c := start()
	g := New([]Server{server("a", nil), server("b", nil)}, Options{Method: LeastConn, SlowStart: 100 * time.Second, Now: c.now})
	a := g.Members()[0]
	a.SetHealthy(false, "")
	for range 100 {
		g.Pick(new(Visit))
	}
	a.SetHealthy(true, "")
	for second, most := range map[int]int{1: 1, 10: 12, 50: 40} {
		c.Time = start().Add(time.Duration(second) * time.Second)
		var held []*Member
		for range 40 {
			held = append(held, g.Pick(new(Visit)))
		}
		if n := a.Status().Conns; n > most {
			t.Errorf("after %d s: %d connections, want at most %d", second, n, most)
		}
		for _, m := range held {
			m.Release()
		}
	}
	c.Time = start().Add(100 * time.Second)
	if m := g.Pick(new(Visit)); m != a {
		t.Error("with all its weight the one that has fewest is chosen")
	}
}

// Nothing to be slow for: the hash is the same at any time, and a lone server has all there is.
func TestNoSlowStart(t *testing.T) {
	t.Parallel()
	for _, o := range []Options{{Method: Hash, SlowStart: time.Hour}, {SlowStart: 0}} {
		g := New([]Server{server("192.0.2.1", nil), server("192.0.2.2", nil)}, o)
		m := g.Members()[0]
		m.Drain(true)
		m.Drain(false)
		if s := m.Status(); s.State != Up || s.Effective != 1 {
			t.Errorf("%+v", s)
		}
	}
	lone := New([]Server{server("a", nil)}, Options{SlowStart: time.Hour})
	lone.Members()[0].Drain(true)
	lone.Members()[0].Drain(false)
	want(t, lone, "a", "a")
}

// pickUntil makes connections until a member has one more.
func pickUntil(g *Group, m *Member) {
	for range 100 {
		if g.Pick(new(Visit)) == m {
			return
		}
	}
}

// placed is who there is, by address.
func placed(g *Group) string {
	var out []string
	for _, m := range g.Members() {
		out = append(out, m.Addr().String())
	}
	return strings.Join(out, " ")
}

func TestPlace(t *testing.T) {
	t.Parallel()
	g := NewPlaced([]Server{server("a.test", weight(2)), server("192.0.2.9", nil), server("b.test", backup)}, Options{})
	if got := placed(g); got != "192.0.2.9:24" {
		t.Errorf("before: %s", got)
	}
	g.Place(0, addrs("192.0.2.1", "2001:db8::1", "::ffff:192.0.2.1"))
	g.Place(2, addrs("192.0.2.7"))
	if got := placed(g); got != "192.0.2.1:24 [2001:db8::1]:24 192.0.2.9:24 192.0.2.7:24" {
		t.Errorf("placed: %s", got)
	}
	m := g.Members()[0]
	if m.Name() != "a.test:24" || m.Weight != 2 {
		t.Errorf("%s, weight %d", m.Name(), m.Weight)
	}
	pickUntil(g, m)
	m.Fail()
	g.Place(0, addrs("192.0.2.2", "192.0.2.1"))
	if got := placed(g); got != "192.0.2.1:24 192.0.2.2:24 192.0.2.9:24 192.0.2.7:24" || m.Status().State != Failed {
		t.Errorf("one stays: %s, %+v", got, m.Status())
	}
	g.Place(0, nil)
	if got := placed(g); got != "192.0.2.9:24 192.0.2.7:24" {
		t.Errorf("none: %s", got)
	}
	g.Place(0, addrs("192.0.2.2", "192.0.2.1"))
	if again := g.Members()[1]; again != m || m.Status().Conns != 1 {
		t.Errorf("back with its session: %+v", again.Status())
	}
	m.Release()
	m.Drain(true)
	g.Place(0, nil)
	g.Place(0, addrs("192.0.2.1"))
	if g.Members()[0] != m {
		t.Error("a drained address was forgotten")
	}
	m.Drain(false)
	g.Place(0, nil)
	g.Place(0, addrs("192.0.2.1"))
	if g.Members()[0] == m {
		t.Error("nothing held it")
	}
}

// A visit that is under way when addresses change goes on, and meets nobody twice.
func TestPlaceAmidAVisit(t *testing.T) {
	t.Parallel()
	for _, method := range []string{RoundRobin, LeastConn, Hash} {
		g := NewPlaced([]Server{server("a.test", nil), server("b.test", nil)}, Options{Method: method})
		g.Place(0, addrs("192.0.2.1", "192.0.2.2"))
		g.Place(1, addrs("192.0.2.3"))
		v := Visit{Client: netip.MustParseAddr("203.0.113.1")}
		met := map[*Member]bool{g.Pick(&v): true}
		g.Place(1, nil)
		g.Place(0, addrs("192.0.2.4", "192.0.2.1", "192.0.2.2"))
		for m := g.Pick(&v); m != nil; m = g.Pick(&v) {
			if met[m] {
				t.Errorf("%s: %s twice", method, m.Addr())
			}
			met[m] = true
		}
		if len(met) < 3 {
			t.Errorf("%s: met %d", method, len(met))
		}
	}
}

func TestInherit(t *testing.T) {
	t.Parallel()
	c := start()
	o := Options{Now: c.now, SlowStart: time.Minute}
	old := NewPlaced([]Server{server("a.test", nil), server("192.0.2.9", nil), server("192.0.2.8", nil), server("unix", func(s *Server) {
		_ = s.Address.UnmarshalText([]byte("unix:/run/x"))
	})}, o)
	old.Place(0, addrs("192.0.2.1", "192.0.2.2"))
	was := old.Members()
	for range 5 {
		old.Pick(new(Visit))
	}
	was[0].Fail()
	was[1].Drain(true)
	was[2].SetHealthy(false, "no banner")

	g := NewPlaced([]Server{server("192.0.2.9", weight(3)), server("b.test", nil), server("a.test", nil), server("unix", func(s *Server) {
		_ = s.Address.UnmarshalText([]byte("unix:/run/x"))
	})}, o)
	g.Inherit(old)
	if got := placed(g); got != "192.0.2.9:24 192.0.2.1:24 192.0.2.2:24 invalid AddrPort" {
		t.Fatal(got)
	}
	now := g.Members()
	for i, from := range map[int]int{0: 2, 1: 0, 2: 1, 3: 4} {
		a, b := now[i].Status(), was[from].Status()
		b.Weight, b.Effective = a.Weight, a.Effective
		if a != b {
			t.Errorf("%+v, was %+v", a, b)
		}
	}
	if s := now[0].Status(); s.Weight != 3 || s.Effective != 3 {
		t.Errorf("another weight: %+v", s)
	}
	conns := now[2].Status().Conns
	was[1].Release()
	if got := now[2].Status().Conns; got != conns-1 {
		t.Errorf("a session of the old group ended: %d, had %d", got, conns)
	}
	g.Place(2, addrs("192.0.2.2"))
	if s := g.Members()[1].Status(); s.State != Drained || s.Addr.Addr().String() != "192.0.2.2" {
		t.Errorf("placed anew: %+v", s)
	}
}

// A session on an address that the name has lost counts when a later group has that address again.
func TestInheritWhatIsGone(t *testing.T) {
	t.Parallel()
	old, g := NewPlaced([]Server{server("a.test", nil)}, Options{}), NewPlaced([]Server{server("a.test", nil)}, Options{})
	old.Place(0, addrs("192.0.2.1"))
	m := old.Pick(new(Visit))
	old.Place(0, addrs("192.0.2.2"))
	g.Inherit(old)
	if held := g.Hold("a.test:24", m.Addr()); held == nil || held.Status().Conns != 2 {
		t.Errorf("held: %v", held)
	}
	g.Place(0, addrs("192.0.2.1"))
	if s := g.Members()[0].Status(); s.Conns != 2 {
		t.Errorf("%+v", s)
	}
	m.Release()
	if s := g.Members()[0].Status(); s.Conns != 1 {
		t.Errorf("%+v", s)
	}
}

// Equal lines have a state each.
func TestInheritOfTwins(t *testing.T) {
	t.Parallel()
	old := New([]Server{server("192.0.2.1", nil), server("192.0.2.1", nil)}, Options{})
	old.Members()[1].Drain(true)
	g := New([]Server{server("192.0.2.1", nil), server("192.0.2.1", nil), server("192.0.2.1", nil)}, Options{})
	g.Inherit(old)
	var states []string
	for _, m := range g.Members() {
		states = append(states, string(m.Status().State))
	}
	if got := strings.Join(states, " "); got != "up drained up" {
		t.Error(got)
	}
}

func TestHold(t *testing.T) {
	t.Parallel()
	g := New([]Server{server("192.0.2.1", func(s *Server) { s.MaxConns = 1 }), server("192.0.2.2", backup)}, Options{})
	at := netip.MustParseAddrPort("192.0.2.1:24")
	m, again := g.Hold("192.0.2.1:24", at), g.Hold("192.0.2.1:24", at)
	if m == nil || again != m || m.Status().Conns != 2 {
		t.Fatalf("held: %v", m)
	}
	want(t, g, "192.0.2.2")
	if g.Hold("192.0.2.1:25", at) != nil || g.Hold("192.0.2.1:24", netip.AddrPort{}) != nil {
		t.Error("somebody else")
	}
}

func TestStatus(t *testing.T) {
	t.Parallel()
	c := start()
	g := group(c, "", server("192.0.2.1", func(s *Server) { s.Weight, s.MaxFails, s.MaxConns = 4, 2, 7 }), server("192.0.2.2", backup),
		server("192.0.2.3", func(s *Server) { s.Down = true }))
	m := g.Pick(new(Visit))
	m.FailBecause("connection refused")
	wanted := Status{Name: "192.0.2.1:24", Addr: netip.MustParseAddrPort("192.0.2.1:24"), Weight: 4, Effective: 2, State: Up, Conns: 1, MaxConns: 7,
		Fails: 1, Picked: 1, Failures: 1}
	if got := m.Status(); got != wanted {
		t.Errorf("\n%+v, want\n%+v", got, wanted)
	}
	m.FailBecause("connection refused")
	wanted.Effective, wanted.Fails, wanted.Failures, wanted.State, wanted.Why = 0, 2, 2, Failed, "connection refused"
	wanted.Changed, wanted.Until = c.Time, c.Add(10*time.Second)
	if got := m.Status(); got != wanted {
		t.Errorf("\n%+v, want\n%+v", got, wanted)
	}
	c.Time = c.Add(11 * time.Second)
	if got := m.Status(); got.State != Failed || !got.Until.IsZero() {
		t.Errorf("to be tried: %+v", got)
	}
	if s := g.Members()[1].Status(); s.State != Down {
		t.Errorf("%+v", s)
	}
}
