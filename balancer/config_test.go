// SPDX-License-Identifier: MIT

package balancer

import (
	"slices"
	"strings"
	"testing"
	"time"

	"posthouse/config"
)

// parse reads a section `balancer` of one service s, whose keys are given, in the form of one line.
func parse(t *testing.T, keys string) (Config, *config.Report) {
	t.Helper()
	var into struct {
		Balancer Config `yaml:"balancer"`
	}
	_, report := config.Parse("test.yaml", []byte("balancer: {s: {"+keys+"}}\n"), &into)
	return into.Balancer, report
}

const small = `listen: [":993"], upstream: ["192.0.2.1:993"]`

func TestDefaults(t *testing.T) {
	t.Parallel()
	c, report := parse(t, small+`, health_check: {protocol: imap}, deny: ["192.0.2.0/24", "bad.txt", "[2001:db8::]/32"]`)
	if report.Err() != nil {
		t.Fatal(report.Err())
	}
	s := c["s"]
	if s.Method != "round_robin" || s.Timeout != config.Duration(35*time.Minute) || s.ConnectTimeout != config.Duration(5*time.Second) ||
		!s.NextUpstream || !s.SessionLog || s.HealthCheck.Rise != 1 || s.version() != 0 {
		t.Errorf("%+v", s)
	}
	if d := s.Deny; d[0].String() != "192.0.2.0/24" || d[1].File != "bad.txt" || d[2].String() != "2001:db8::/32" {
		t.Errorf("%v", d)
	}
}

// TestWrongConfig: each mistake is told where it stands; a warning is marked by w:.
func TestWrongConfig(t *testing.T) {
	t.Parallel()
	cases := map[string]string{
		`upstream: ["192.0.2.1:993"]`: "needs at least one listen address",
		`listen: [":993"]`:            "needs at least one upstream server",
		`listen: [":993"], upstream: [{address: "a.test:1", backup: true}]`:                                          "every server is a backup",
		`listen: [":993"], upstream: [{address: "a.test:1", down: true}]`:                                            "w:every server is down",
		`listen: ["127.0.0.1:993"], upstream: ["127.0.0.1:993"]`:                                                     "it would connect to itself",
		`listen: [":993"], upstream: ["127.0.0.1:993"]`:                                                              "it would connect to itself",
		`listen: ["0.0.0.0:993"], upstream: ["127.0.0.9:993"]`:                                                       "it would connect to itself",
		`listen: ["[::]:993"], upstream: ["[::1]:993"]`:                                                              "it would connect to itself",
		`listen: ["192.0.2.1:993"], upstream: ["192.0.2.1:993"]`:                                                     "it would connect to itself",
		`listen: [":993"], upstream: ["a.test:1", "a.test:1"]`:                                                       "w:a.test:1 stands here a second time",
		`listen: [{address: ":993", tls: implicit}], upstream: ["a.test:1"]`:                                         "balancer.s.listen[0].tls: means nothing for a balancer",
		`listen: [{address: ":993", tls_profile: port25}], upstream: ["a.test:1"]`:                                   "tls_profile: means nothing",
		`listen: [{address: ":993", certificate: a, key: b}], upstream: ["a.test:1"]`:                                "certificate: means nothing",
		`listen: [{address: "unix:/s", proxy_protocol: required, proxy_networks: ["::/0"]}], upstream: ["a.test:1"]`: "has no address",
		small + `, proxy_protocol: v3`:                                                                               `unknown word "v3"`,
		small + `, method: random`:                                                                                   `unknown word "random"`,
		small + `, connect_timeout: 0s`:                                                                              "connect_timeout: must be more than nothing",
		small + `, timeout: 0s`:                                                                                      "timeout: must be more than nothing",
		small + `, timeout: 10m`:                                                                                     "w:10m cuts IMAP clients that wait in IDLE",
		small + `, proxy_protocol_timeout: 0s`:                                                                       "must be more than nothing",
		small + `, keepalive: 10ms`:                                                                                  "the system counts in seconds",
		small + `, user_timeout: 10ms`:                                                                               "give it a second at least",
		small + `, next_upstream_tries: -1`:                                                                          "must not be negative",
		small + `, next_upstream: false, next_upstream_tries: 2`:                                                     "w:has no effect with next_upstream: false",
		small + `, next_upstream: false, next_upstream_timeout: 2s`:                                                  "w:has no effect with next_upstream: false",
		small + `, method: hash, slow_start: 30s`:                                                                    "w:has no effect with method: hash",
		small + `, client_connection_count_limit: -1`:                                                                "must not be negative",
		small + `, client_connection_rate_limit: -1`:                                                                 "must not be negative",
		small + `, health_check: {rise: 0}`:                                                                          "at least 1",
		small + `, health_check: {protocol: tcp, tls: starttls}`:                                                     "starttls needs a protocol that has it",
		small + `, allow: ["192.0.2.0/33"]`:                                                                          "is not a network",
		small + `, allow: ["192.0.2.1/24"]`:                                                                          "has bits set behind the prefix",
		small + `, deny: [all]`:                                                                                      "all is 0.0.0.0/0 and ::/0 here",
		small + `, allow: ["192.0.2."]`:                                                                              "neither a network",
	}
	for keys, want := range cases {
		_, report := parse(t, keys)
		want, warning := strings.CutPrefix(want, "w:")
		if got := said(report); !strings.Contains(got, want) || (report.Err() == nil) != warning {
			t.Errorf("%s:\n%s\nwant %q", keys, got, want)
		}
	}
}

// Another address of the machine, or of the other family, is another listener's.
func TestNotItself(t *testing.T) {
	t.Parallel()
	for _, keys := range []string{
		`listen: ["192.0.2.1:993"], upstream: ["127.0.0.1:993"]`,
		`listen: ["[::]:993"], upstream: ["127.0.0.1:993"]`,
		`listen: [":993"], upstream: ["imap.test:993"]`,
	} {
		if _, report := parse(t, keys); len(report.Problems) > 0 {
			t.Errorf("%s:\n%s", keys, said(report))
		}
	}
}

// Each time of the file is the one that the sessions get.
func TestTimesOfSessions(t *testing.T) {
	t.Parallel()
	keys := `connect_timeout: 2s, timeout: 3h, proxy_protocol_timeout: 4s, user_timeout: 5s, keepalive: 6s, ` + small
	b, err := New(Options{Config: service1(t, keys), Resolver: &dns{}})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	w := b.ways()[0]
	f := w.front(w.Listen[0])
	got := []time.Duration{f.ConnectTimeout, f.IdleTimeout, f.HeaderTimeout, f.UserTimeout, f.KeepAlive}
	if want := []time.Duration{2 * time.Second, 3 * time.Hour, 4 * time.Second, 5 * time.Second, 6 * time.Second}; !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}

// said is all complaints of a report.
func said(report *config.Report) string {
	var b strings.Builder
	for _, p := range report.Problems {
		b.WriteString(p.String() + "\n")
	}
	return b.String()
}
