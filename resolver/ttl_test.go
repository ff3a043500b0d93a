// SPDX-License-Identifier: MIT

package resolver

import (
	"testing"
	"time"

	"github.com/miekg/dns"
)

// TestTTLOfAnAnswer: it is the least on the way, CNAMEs included, and what is left of it when memory answers.
func TestTTLOfAnAnswer(t *testing.T) {
	t.Parallel()
	now := time.Unix(1e9, 0)
	server := serve(t, zoneAnswer(dns.RcodeSuccess,
		"imap.test. 20 IN CNAME a.test.", "a.test. 300 IN A 192.0.2.1", "a.test. 60 IN A 192.0.2.2"))
	c := client(t, Options{Now: func() time.Time { return now }}, server)
	for _, want := range []time.Duration{20 * time.Second, 15 * time.Second, 10 * time.Second} {
		a, err := c.Ask(t.Context(), "imap.test", TypeA)
		if err != nil || a.TTL != want || len(a.IPv4()) != 2 {
			t.Errorf("%+v, %v; want a TTL of %s", a, err, want)
		}
		now = now.Add(5 * time.Second)
	}
}

func TestTTLOfAZone(t *testing.T) {
	t.Parallel()
	z := mustParse(t, "imap.test. 20 IN CNAME a.test.\na.test. 300 IN AAAA 2001:db8::1\na.test. 60 IN AAAA ::ffff:192.0.2.1\n")
	a, err := z.Ask(t.Context(), "imap.test", TypeAAAA)
	if err != nil || a.TTL != 20*time.Second {
		t.Errorf("%+v, %v", a, err)
	}
	if six := a.IPv6(); len(six) != 2 || six[0].String() != "2001:db8::1" || six[1].String() != "192.0.2.1" {
		t.Errorf("%v", six)
	}
	if a, err := z.Ask(t.Context(), "a.test", TypeAAAA); err != nil || a.TTL != time.Minute {
		t.Errorf("%+v, %v", a, err)
	}
}
