// SPDX-License-Identifier: MIT

package mail

import (
	"net/netip"
	"strings"
	"testing"
	"time"
)

func TestReceivedField(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 1, 4, 5, 6, 0, time.FixedZone("", 3600))
	to := func(paths ...Path) []Recipient {
		var all []Recipient
		for _, p := range paths {
			all = append(all, Recipient{To: Path{"alias", "x.test"}, Given: p})
		}
		return all
	}
	joe := Path{"joe", "x.test"}
	from := Client{Addr: netip.MustParseAddrPort("192.0.2.1:1234"), Name: "mail.y.test", HELO: "y.test", Protocol: "ESMTPS", TLS: "TLSv1.3 TLS_AES_128_GCM_SHA256"}
	plain := Client{Addr: netip.MustParseAddrPort("[2001:db8::1]:1234"), HELO: "[IPv6:2001:db8::1]", Protocol: "SMTP"}
	forged := from
	forged.HELO, forged.Name, forged.TLS = "x.test (y)\r\nFrom: <b>;\"", strings.Repeat("n", 300), ""
	const end = " id 1;\r\n\tSun, 01 Nov 2026 04:05:06 +0100\r\n"
	for _, c := range []struct {
		name string
		env  Envelope
		want string
	}{
		{"one recipient", Envelope{Client: from, Recipients: to(joe)}, "Received: from y.test (mail.y.test [192.0.2.1])\r\n\t(TLSv1.3 TLS_AES_128_GCM_SHA256)\r\n\t" +
			"by mx.test (Posthouse) with ESMTPS id 1\r\n\tfor <joe@x.test>;\r\n\tSun, 01 Nov 2026 04:05:06 +0100\r\n"},
		{"two recipients", Envelope{Client: plain, Recipients: to(joe, joe)}, "Received: from [IPv6:2001:db8::1] (unknown [IPv6:2001:db8::1])\r\n\tby mx.test (Posthouse) with SMTP" + end},
		{"UTF-8 recipient", Envelope{Client: plain, Recipients: to(Path{"ü", "x.test"})}, "Received: from [IPv6:2001:db8::1] (unknown [IPv6:2001:db8::1])\r\n\tby mx.test (Posthouse) with SMTP" + end},
		{"made here", Envelope{}, "Received: by mx.test (Posthouse)" + end},
		{"forged", Envelope{Client: forged}, "Received: from x.test??y???From:??b??? (" + strings.Repeat("n", 255) + " [192.0.2.1])\r\n\tby mx.test (Posthouse) with ESMTPS" + end},
	} {
		c.env.ID = "1"
		f := ReceivedField(&c.env, "mx.test", now)
		if string(f) != c.want {
			t.Errorf("%s:\n%q\n%q", c.name, f, c.want)
		}
		if h, err := ParseHeader(string(f)); err != nil || len(h.Fields()) != 1 {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

func BenchmarkReceivedField(b *testing.B) {
	env := &Envelope{ID: NewID(time.Now()), Recipients: []Recipient{{Given: Path{"joe", "x.test"}}}, Client: Client{
		Addr: netip.MustParseAddrPort("192.0.2.1:1234"), Name: "mail.y.test", HELO: "y.test", Protocol: "ESMTPS", TLS: "TLSv1.3 TLS_AES_128_GCM_SHA256"}}
	now := time.Now()
	b.ReportAllocs()
	for b.Loop() {
		ReceivedField(env, "mx.example.test", now)
	}
}
