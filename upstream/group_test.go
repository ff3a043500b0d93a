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

func order(g *Group) string {
	var names []string
	for _, m := range g.Order() {
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
		if got := order(g); got != w {
			t.Errorf("order %q, want %q", got, w)
		}
	}
}

func TestBackupComesLast(t *testing.T) {
	t.Parallel()
	g := New([]Server{server("b", backup), server("a", nil), server("down", func(s *Server) { s.Down = true })}, nil)
	want(t, g, "a b", "a b")
	g.Members()[0].Fail()
	want(t, g, "b")
}

func TestTurnsByWeight(t *testing.T) {
	t.Parallel()
	g := New([]Server{server("a", func(s *Server) { s.Weight = 5 }), server("b", nil), server("c", nil)}, nil)
	want(t, g, "a b c", "a b c", "b a c", "a b c", "c a b", "a b c", "a b c")
}

func TestFailuresWithinTheWindow(t *testing.T) {
	t.Parallel()
	c := &clock{time.Unix(1e9, 0)}
	g := New([]Server{server("a", func(s *Server) { s.MaxFails = 2 }), server("b", backup)}, c.now)
	a := g.Members()[0]
	a.Fail()
	want(t, g, "a b")
	c.Time = c.Add(11 * time.Second)
	a.Fail()
	want(t, g, "a b")
	c.Time = c.Add(9 * time.Second)
	a.Fail()
	want(t, g, "b")
	c.Time = c.Add(10*time.Second - 1)
	want(t, g, "b")
	c.Time = c.Add(1)
	want(t, g, "a b")
	a.Fail()
	want(t, g, "b")
	c.Time = c.Add(10 * time.Second)
	a.OK()
	a.Fail()
	want(t, g, "a b")
}

func TestAllOutAreTriedOnce(t *testing.T) {
	t.Parallel()
	g := New([]Server{server("a", nil), server("b", backup)}, nil)
	for _, m := range g.Members() {
		m.Fail()
	}
	want(t, g, "a b")
	g.Members()[1].OK()
	want(t, g, "b")
}

func TestSingleServerIgnoresMaxFails(t *testing.T) {
	t.Parallel()
	g := New([]Server{server("a", nil)}, nil)
	g.Members()[0].Fail()
	g.Members()[0].Fail()
	want(t, g, "a")
}

func TestZeroMaxFailsCountsNothing(t *testing.T) {
	t.Parallel()
	g := New([]Server{server("a", func(s *Server) { s.MaxFails = 0 }), server("b", backup)}, nil)
	g.Members()[0].Fail()
	want(t, g, "a b")
}

func TestMaxConns(t *testing.T) {
	t.Parallel()
	g := New([]Server{server("a", func(s *Server) { s.MaxConns = 1 }), server("b", backup)}, nil)
	a := g.Members()[0]
	if !a.Acquire() || a.Acquire() {
		t.Error("one connection, not two")
	}
	want(t, g, "b")
	a.Release()
	want(t, g, "a b")
}

func TestEmptyGroup(t *testing.T) {
	t.Parallel()
	want(t, New(nil, nil), "")
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
