// SPDX-License-Identifier: MIT

package dnsbl

import (
	"net/netip"
	"strings"
	"testing"
)

func TestZones(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"zen.spamhaus.org":                  "zen.spamhaus.org",
		"ZEN.spamhaus.org.":                 "zen.spamhaus.org",
		"zen.spamhaus.org=127.0.0.[2..11]":  "zen.spamhaus.org=127.0.0.[2..11]",
		"key_1.zen.dq.test=127.255.255.254": "key_1.zen.dq.test=127.255.255.254",
		"a.test*2":                          "a.test*2",
		"a.test*+2":                         "a.test*2",
		"a.test*1":                          "a.test",
		"a.test*0":                          "a.test*0",
		"a.test=127.0.[0..255].2*-3":        "a.test=127.0.[0..255].2*-3",
	} {
		z, err := ParseSite(text)
		if err != nil || z.String() != want {
			t.Errorf("%s: %s, %v", text, z, err)
		}
		if strings.Contains(text, "*") {
			continue
		}
		if z, err := ParseZone(text); err != nil || z.String() != want {
			t.Errorf("ParseZone(%s): %s, %v", text, z, err)
		}
	}
}

func TestWrongZones(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"":                            "not the name of a list",
		"=127.0.0.2":                  "not the name of a list",
		"a..test":                     "not the name of a list",
		"a b.test":                    "not the name of a list",
		"127.0.0.2":                   "not the name of a list",
		strings.Repeat("a.", 100):     "not the name of a list",
		"a.test=":                     "empty behind the =",
		"a.test=2":                    "a dot",
		"a.test=192.0.2.1":            "no code in 127.0.0.0/8",
		"a.test*":                     `"" is not a whole number`,
		"a.test*1.5":                  "not a whole number",
		"a.test=127.0.0.2*many":       "not a whole number",
		"a.test*2=127.0.0.2":          "not a whole number",
		"a.test*99999999999999999999": "not a whole number",
	} {
		if _, err := ParseSite(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v; want %q", text, err, want)
		}
	}
	if _, err := ParseZone("a.test*2"); err == nil || !strings.Contains(err.Error(), "weight") {
		t.Error(err)
	}
}

func TestNames(t *testing.T) {
	t.Parallel()
	zone := Zone{Domain: "l.test"}
	for subject, want := range map[string]string{
		"192.0.2.99":         "99.2.0.192.l.test.",
		"::ffff:192.0.2.99":  "99.2.0.192.l.test.",
		"2001:db8::1234%eth": "4.3.2.1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.l.test.",
	} {
		if got := (Ask{Zone: zone, Addr: netip.MustParseAddr(subject)}).name(); got != want {
			t.Errorf("%s: %s", subject, got)
		}
	}
	for subject, want := range map[string]string{
		"spam.test":               "spam.test.l.test.",
		"u@spam.test":             "spam.test.l.test.",
		`"a@b"@spam.test`:         "spam.test.l.test.",
		"under_score.spam-s.test": "under_score.spam-s.test.l.test.",
		"localhost":               "localhost.l.test.", // as Postfix: a host name need not have a dot
		"":                        "",
		"u@[192.0.2.1]":           "",
		"[192.0.2.1]":             "",
		"192.0.2.1":               "",
		"host.12":                 "",
		"2001:db8::1":             "",
		"-spam.test":              "",
		"spam..test":              "",
		"spam.test.":              "",
		"bücher.test":             "",
		"a b.test":                "",
		strings.Repeat("a.", 127): "",
	} {
		if got := (Ask{Zone: zone, Name: subject}).name(); got != want {
			t.Errorf("%s: %q, want %q", subject, got, want)
		}
	}
	// RFC 5782 5: what no zone lists.
	for p, want := range map[probe]string{
		{"l.test", ofIPv4}: "1.0.0.127.l.test.",
		{"l.test", ofIPv6}: "1.0.0.0.0.0.f.7.f.f.f.f.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.l.test.",
		{"l.test", ofName}: "invalid.l.test.",
	} {
		if _, got := p.test(); got != want {
			t.Errorf("%v: %s", p, got)
		}
	}
}

func FuzzSite(f *testing.F) {
	for _, s := range []string{"zen.test=127.0.0.[2..11]*3", "a.test*-1", "A.test.", "a.test=[127.0.0.2]", "a.test*2=1"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		z, err := ParseSite(text)
		if err != nil {
			return
		}
		again, err := ParseSite(z.String())
		if err != nil || again.String() != z.String() || again.Weight != z.Weight {
			t.Fatalf("%q became %s, then %s, %v", text, z, again, err)
		}
		if name := (Ask{Zone: z, Addr: netip.IPv6Unspecified()}).name(); len(name) > 254 {
			t.Fatalf("%q makes names of %d octets", text, len(name))
		}
	})
}
