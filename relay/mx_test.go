// SPDX-License-Identifier: MIT

package relay

import (
	"context"
	"errors"
	"net/netip"
	"strings"
	"testing"

	"posthouse/internal/maillab"
	"posthouse/resolver"
)

const world = `
two.test.       60 IN MX 10 mx1.two.test.
two.test.       60 IN MX 20 mx2.two.test.
mx1.two.test.   60 IN A 192.0.2.1
mx2.two.test.   60 IN A 192.0.2.2
implicit.test.  60 IN A 192.0.2.3
null.test.      60 IN MX 0 .
broken.test.    60 IN MX 10 gone.broken.test.
broken.test.    60 IN A 192.0.2.66
both.test.      60 IN MX 10 mx.both.test.
mx.both.test.   60 IN A 192.0.2.4
mx.both.test.   60 IN AAAA 2001:db8::4
many.test.      60 IN MX 10 mx.many.test.
mx.many.test.   60 IN A 192.0.2.11
mx.many.test.   60 IN A 192.0.2.12
mx.many.test.   60 IN A 192.0.2.13
mx.many.test.   60 IN A 192.0.2.14
mx.many.test.   60 IN A 192.0.2.15
mx.many.test.   60 IN A 192.0.2.16
mx.many.test.   60 IN AAAA 2001:db8::11
backup.test.    60 IN MX 10 mx1.two.test.
backup.test.    60 IN MX 20 us.test.
backup.test.    60 IN MX 20 mx2.two.test.
backup.test.    60 IN MX 30 implicit.test.
loop.test.      60 IN MX 10 us.test.
loop.test.      60 IN MX 20 mx2.two.test.
address.test.   60 IN MX 10 alias.test.
alias.test.     60 IN A 192.0.2.99
us.test.        60 IN A 192.0.2.99
nothing.test.   60 IN TXT "no mail here"
`

func isUs(host string, addrs []netip.Addr) bool {
	for _, a := range addrs {
		if a.String() == "192.0.2.99" {
			return true
		}
	}
	return host == "us.test"
}

func TestExchangers(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, to, want, tried string
		sinks                 []string
	}{
		{"the better one", "two.test", "relayed 250 2.0.0", "192.0.2.1", []string{"192.0.2.1", "192.0.2.2"}},
		{"the next one", "two.test", "relayed 250 2.0.0", "192.0.2.1 192.0.2.2", []string{"192.0.2.2"}},
		{"none answers", "two.test", "dead deferred 451 4.4.1", "192.0.2.1 192.0.2.2", nil},
		{"implicit MX", "implicit.test", "relayed 250 2.0.0", "192.0.2.3", []string{"192.0.2.3"}},
		{"null MX", "null.test", "failed 556 5.1.10", "", nil},
		{"MX unusable is never A", "broken.test", "failed 550 5.4.4", "", []string{"192.0.2.66"}},
		{"neither MX nor address", "nothing.test", "failed 550 5.4.4", "", nil},
		{"no such domain", "none.test", "failed 550 5.1.2", "", nil},
		{"IPv4 when IPv6 leads nowhere", "both.test", "relayed 250 2.0.0", "[2001:db8::4] 192.0.2.4", []string{"192.0.2.4"}},
		{"IPv6 when IPv4 leads nowhere", "both.test", "relayed 250 2.0.0", "[2001:db8::4]", []string{"[2001:db8::4]"}},
		{"we are the backup", "backup.test", "dead deferred 451 4.4.1", "192.0.2.1", []string{"192.0.2.2", "192.0.2.3"}},
		{"we are the best", "loop.test", "failed 554 5.4.6", "", []string{"192.0.2.2"}},
		{"we are known by our address", "address.test", "failed 554 5.4.6", "", nil},
		{"implicit MX is us", "us.test", "failed 554 5.4.6", "", nil},
		{"address literal", "[192.0.2.2]", "relayed 250 2.0.0", "192.0.2.2", []string{"192.0.2.2"}},
		{"our own address literal", "[192.0.2.99]", "failed 554 5.4.6", "", nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			l := newLab(t, world, Options{Self: isUs})
			for _, s := range c.sinks {
				l.sink(s+":25", maillab.SinkOptions{})
			}
			if got := l.carry("", "to@"+c.to); got != c.want {
				t.Errorf("%s, want %s", got, c.want)
			}
			if got := l.tried(); got != c.tried {
				t.Errorf("tried %q, want %q", got, c.tried)
			}
		})
	}
}

func TestAtMostFiveAddresses(t *testing.T) {
	t.Parallel()
	l := newLab(t, world, Options{})
	l.carry("", "to@many.test")
	tried := strings.Fields(l.tried())
	if len(tried) != maxAddresses || tried[0] != "[2001:db8::11]" {
		t.Errorf("tried %v", tried)
	}
}

func TestEqualPreferencesAreShuffled(t *testing.T) {
	t.Parallel()
	zone := "e.test. 60 IN MX 10 a.test.\ne.test. 60 IN MX 10 b.test.\na.test. 60 IN A 192.0.2.1\nb.test. 60 IN A 192.0.2.2\n"
	l := newLab(t, zone, Options{})
	first := map[string]bool{}
	for range 100 {
		targets, no := l.targets(t.Context(), "e.test", MX("e.test"))
		if no != nil || len(targets) != 2 {
			t.Fatal(targets, no)
		}
		first[targets[0].host] = true
	}
	if len(first) != 2 {
		t.Errorf("always %v", first)
	}
}

// servfail fails for names and is a zone for the others.
type servfail struct {
	resolver.Resolver
	names string
}

var errServfail = errors.New("SERVFAIL")

func (s servfail) MX(ctx context.Context, domain string) ([]resolver.MX, error) {
	if strings.Contains(s.names, "MX "+domain) {
		return nil, errServfail
	}
	return s.Resolver.MX(ctx, domain)
}

func (s servfail) Addrs(ctx context.Context, host string) ([]netip.Addr, error) {
	if strings.Contains(s.names, "A "+host) {
		return nil, errServfail
	}
	return s.Resolver.Addrs(ctx, host)
}

func TestDNSTroubleDefers(t *testing.T) {
	t.Parallel()
	zone, err := resolver.ParseZone(world)
	if err != nil {
		t.Fatal(err)
	}
	for names, want := range map[string]string{
		"MX two.test":                   "dead deferred 451 4.4.3",
		"A mx1.two.test A mx2.two.test": "dead deferred 451 4.4.3",
		"A mx1.two.test":                "relayed 250 2.0.0",
	} {
		l := newLab(t, world, Options{Resolver: servfail{zone, names}})
		l.sink("192.0.2.2:25", maillab.SinkOptions{})
		if got := l.carry("", "to@two.test"); got != want {
			t.Errorf("%s: %s, want %s", names, got, want)
		}
	}
	l := newLab(t, world, Options{Resolver: servfail{zone, "A us.test"}, Self: isUs})
	if got := l.carry("", "to@loop.test"); got != "failed 554 5.4.6" {
		t.Errorf("ourselves by name, without an address: %s", got)
	}
}

func TestFixedRoutes(t *testing.T) {
	t.Parallel()
	for route, at := range map[string]string{
		"smtp:[mx2.two.test]:2525":  "192.0.2.2:2525",
		"smtp:two.test:26":          "192.0.2.1:26",
		"smtp:[192.0.2.9]":          "192.0.2.9:25",
		"smtp:[2001:db8::9]:26":     "[2001:db8::9]:26",
		"lmtp:inet:mx1.two.test:24": "192.0.2.1:24",
		"lmtp:unix:/run/lmtp":       "/run/lmtp",
		"smtp:[us.test]":            "192.0.2.99:25",
	} {
		t.Run(route, func(t *testing.T) {
			t.Parallel()
			l := newLab(t, world, Options{Self: isUs})
			lmtp := strings.HasPrefix(route, "lmtp")
			s := l.sink(at, maillab.SinkOptions{LMTP: lmtp})
			want := "relayed 250 2.0.0"
			if lmtp {
				want = "delivered 250 2.0.0"
			}
			if got := l.carry(route, "to@elsewhere.test"); got != want {
				t.Errorf("%s, want %s", got, want)
			}
			if m := s.Messages(); len(m) != 1 || !strings.HasSuffix(m[0].Data, "\r\n.hello\r\n") {
				t.Errorf("%+v", m)
			}
		})
	}
	l := newLab(t, world, Options{})
	if got := l.carry("smtp:[none.test]", "to@elsewhere.test"); got != "dead deferred 451 4.4.3" {
		t.Errorf("a host of ours without an address: %s", got)
	}
}
