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
