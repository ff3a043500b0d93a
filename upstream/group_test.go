// SPDX-License-Identifier: MIT

package upstream

import (
	"strings"
	"testing"
	"time"

	"posthouse/config"
)

func server(host string, change func(*Server)) Server {
	var s Server
	s.SetDefaults()
	s.Address = config.Address{Network: "tcp", Host: host, Port: 24}
	if change != nil {
		change(&s)
	}
	return s
}

func backup(s *Server) { s.Backup = true }

// visit is all that a visit to nobody's liking is given, in order: each server fails to answer before the next is picked.
func visit(g *Group) string {
	var names []string
	var v Visit
	for m := g.Pick(&v); m != nil; m = g.Pick(&v) {
		m.Release()
		names = append(names, m.Address.Host)
	}
	return strings.Join(names, " ")
}

// clock is a time that the test sets.
type clock struct{ time.Time }

func (c *clock) now() time.Time { return c.Time }

func want(t *testing.T, g *Group, words ...string) {
	t.Helper()
	for _, w := range words {
		if got := visit(g); got != w {
			t.Errorf("visited %q, want %q", got, w)
		}
	}
}

func group(c *clock, method string, servers ...Server) *Group {
	return New(servers, Options{Method: method, Now: c.now})
}

func start() *clock { return &clock{time.Unix(1e9, 0)} }

func TestBackupComesLast(t *testing.T) {
	t.Parallel()
	g := group(start(), "", server("b", backup), server("a", nil), server("down", func(s *Server) { s.Down = true }))
	want(t, g, "a b", "a b")
	g.Members()[0].Fail()
	want(t, g, "b a")
}

func weight(n int) func(*Server) { return func(s *Server) { s.Weight = n } }

// first is who gets each of so many connections, none of which fails.
func first(g *Group, n int) string {
	var out strings.Builder
	for range n {
		m := g.Pick(new(Visit))
		out.WriteString(m.Address.Host)
		m.OK()
		m.Release()
	}
	return out.String()
}

func TestTurnsByWeight(t *testing.T) {
	t.Parallel()
	g := group(start(), "", server("a", weight(5)), server("b", nil), server("c", nil))
	if got := first(g, 14); got != "aabacaaaabacaa" {
		t.Error(got)
	}
}

// A failure takes weight/max_fails off, and each choice gives one back.
func TestFailuresTakeWeight(t *testing.T) {
	t.Parallel()
	g := group(start(), "", server("a", func(s *Server) { s.Weight, s.MaxFails = 4, 2 }), server("b", weight(4)))
	a := g.Members()[0]
	a.Fail()
	if got := a.Status().Effective; got != 2 {
		t.Errorf("effective weight %v, want 2", got)
	}
	if got := first(g, 9); got != "babababab" {
		t.Error(got)
	}
	if got := a.Status().Effective; got != 4 {
		t.Errorf("effective weight %v, want 4", got)
	}
}

func TestLeastConnections(t *testing.T) {
	t.Parallel()
	g := group(start(), LeastConn, server("a", weight(2)), server("b", nil), server("c", nil))
	var got strings.Builder
	var held []*Member
	for range 8 {
		m := g.Pick(new(Visit))
		held = append(held, m)
		got.WriteString(m.Address.Host)
	}
	if got.String() != "abcacaba" {
		t.Error(got.String())
	}
	held[1].Release()
	held[6].Release()
	if m := g.Pick(new(Visit)); m.Address.Host != "b" {
		t.Errorf("%s, want b: it has none", m.Name())
	}
}

// Failures count until a success whose choice came more than fail_timeout after the last one.
func TestFailuresCountUntilASuccess(t *testing.T) {
	t.Parallel()
	c := start()
	g := group(c, "", server("a", func(s *Server) { s.MaxFails = 2 }), server("b", backup))
	a := g.Members()[0]
	fail := func(want string) {
		t.Helper()
		if got := first(g, 1); got != "a" {
			t.Errorf("chosen: %s", got)
		}
		a.Fail()
		if got := visit(g); got != want {
			t.Errorf("visited %s, want %s", got, want)
		}
	}
	fail("a b")
	c.Time = c.Add(5 * time.Second)
	fail("b a") // the OK in between was within 10 s of the failure
	c.Time = c.Add(10*time.Second + 1)
	fail("a b") // that OK forgot the failures, and this is the first again
}

// After fail_timeout one connection is let through, and others when that one is OK.
func TestOneConnectionTriesFirst(t *testing.T) {
	t.Parallel()
	c := start()
	g := group(c, "", server("a", nil), server("b", backup))
	a := g.Members()[0]
	a.Fail()
	want(t, g, "b a")
	c.Time = c.Add(10 * time.Second)
	want(t, g, "b a")
	c.Time = c.Add(1)
	var v Visit
	if m := g.Pick(&v); m != a {
		t.Fatalf("%s, want a", m.Name())
	}
	if got := a.Status(); got.State != Failed || got.Until != c.Add(10*time.Second) {
		t.Errorf("while it is tried: %+v", got)
	}
	for range 3 {
		if m := g.Pick(new(Visit)); m == a {
			t.Error("a second connection before the first one is OK")
		}
	}
	a.OK()
	want(t, g, "a b")
	if got := a.Status(); got.State != Up {
		t.Errorf("afterwards: %+v", got)
	}
}

// A connection that was begun before the failure says nothing about the server after it.
func TestLateSuccessIsNone(t *testing.T) {
	t.Parallel()
	g := group(start(), "", server("a", nil), server("b", backup))
	early, other := g.Pick(new(Visit)), g.Pick(new(Visit))
	other.Fail()
	early.OK()
	want(t, g, "b a")
}

// The end of a session makes nobody good again.
func TestReleaseIsNoSuccess(t *testing.T) {
	t.Parallel()
	c := start()
	g := group(c, "", server("a", nil), server("b", backup))
	old := g.Pick(new(Visit))
	g.Pick(new(Visit)).Fail()
	c.Time = c.Add(11 * time.Second)
	if m := g.Pick(new(Visit)); m != old {
		t.Fatalf("tried again: %s", m.Name())
	}
	old.Release()
	if m := g.Pick(new(Visit)); m == old {
		t.Error("an old session's end made it good")
	}
}

func TestAllOutAreTriedOnce(t *testing.T) {
	t.Parallel()
	g := group(start(), "", server("a", nil), server("b", nil), server("c", backup), server("d", func(s *Server) { s.Down = true }))
	for _, m := range g.Members() {
		m.Fail()
	}
	var v Visit
	if m := g.Pick(&v); m.Address.Host != "a" || g.Left(&v) != 2 || v.Tried() != 1 {
		t.Errorf("%s, %d left, %d tried", m.Name(), g.Left(&v), v.Tried())
	}
	want(t, g, "a b c")
	g.Members()[1].OK() // it was just tried, and answered
	want(t, g, "b a c")
	if got := first(g, 3); got != "bbb" {
		t.Errorf("the one that answered has all others: %s", got)
	}
}

// Who fails in a visit is not the end of it while there is somebody whom others failed to reach.
func TestVisitEndsWithThoseThatAreOut(t *testing.T) {
	t.Parallel()
	g := group(start(), "", server("a", nil), server("b", nil))
	g.Members()[1].Fail()
	var v Visit
	a := g.Pick(&v)
	if a.Address.Host != "a" || g.Left(&v) != 0 {
		t.Errorf("%s, %d left", a.Name(), g.Left(&v))
	}
	a.Fail()
	if b := g.Pick(&v); b == nil || b.Address.Host != "b" {
		t.Error("b was not tried")
	}
	for range 2 {
		if m := g.Pick(&v); m != nil || g.Left(&v) != 0 {
			t.Errorf("one more than there are: %v, %d left", m, g.Left(&v))
		}
	}
}

func TestSingleServerIgnoresMaxFails(t *testing.T) {
	t.Parallel()
	g := group(start(), "", server("a", nil))
	m := g.Members()[0]
	m.Fail()
	m.Fail()
	want(t, g, "a")
	if s := m.Status(); s.State != Up || s.Failures != 2 || s.Fails != 0 {
		t.Errorf("%+v", s)
	}
}

func TestZeroMaxFailsCountsNothing(t *testing.T) {
	t.Parallel()
	g := group(start(), "", server("a", func(s *Server) { s.MaxFails = 0 }), server("b", backup))
	g.Members()[0].Fail()
	want(t, g, "a b")
}

func TestMaxConns(t *testing.T) {
	t.Parallel()
	for _, method := range []string{RoundRobin, LeastConn, Hash} {
		g := group(start(), method, server("a", func(s *Server) { s.MaxConns = 1 }), server("b", backup))
		a := g.Pick(new(Visit))
		if a.Address.Host != "a" || a.Status().State != Full {
			t.Errorf("%s: %+v", method, a.Status())
		}
		want(t, g, "b")
		a.Release()
		want(t, g, "a b")
	}
}

func TestEmptyGroup(t *testing.T) {
	t.Parallel()
	for _, method := range []string{RoundRobin, LeastConn, Hash} {
		want(t, group(start(), method), "", "")
	}
}

// More servers than a visit has room for at first.
func TestLongVisit(t *testing.T) {
	t.Parallel()
	var servers []Server
	for range 100 {
		servers = append(servers, server("a", nil))
	}
	if got := len(strings.Fields(visit(group(start(), "", servers...)))); got != 100 {
		t.Errorf("%d tried", got)
	}
}

func TestServerConfig(t *testing.T) {
	t.Parallel()
	var ok struct {
		Upstream []Server `yaml:"upstream"`
	}
	text := "upstream:\n  - unix:/run/dovecot/lmtp\n  - {address: 'd.test:24', max_fails: 2, fail_timeout: 30s, backup: true, weight: 3}\n"
	_, report := config.Parse("x.yaml", []byte(text), &ok)
	if err := report.Err(); err != nil {
		t.Fatal(err)
	}
	if s := ok.Upstream[0]; s.Address.Path != "/run/dovecot/lmtp" || s.MaxFails != 1 || s.Weight != 1 {
		t.Errorf("short form: %+v", s)
	}
	if s := ok.Upstream[1]; !s.Backup || s.MaxFails != 2 || s.FailTimeout != config.Duration(30*time.Second) {
		t.Errorf("long form: %+v", s)
	}
	for text, complaint := range map[string]string{
		"{max_fails: 1}":                           "needs an address",
		"{address: ':24'}":                         "needs a host",
		"{address: 'a.test:24', max_fails: -1}":    "negative",
		"{address: 'a.test:24', max_conns: -1}":    "negative",
		"{address: 'a.test:24', weight: 0}":        "1 to 65535",
		"{address: 'a.test:24', fail_timeout: 0s}": "more than nothing",
	} {
		_, report := config.Parse("x.yaml", []byte("upstream:\n  - "+text+"\n"), &ok)
		if err := report.Err(); err == nil || !strings.Contains(err.Error(), complaint) {
			t.Errorf("%s: %v, want %q", text, err, complaint)
		}
	}
}
