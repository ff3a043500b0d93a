// SPDX-License-Identifier: MIT

package resolver

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
)

const testZone = `$ORIGIN example.test.
$TTL 60
@         IN MX 20 mx2
@         IN MX 10 MX1.Example.TEST.
@         IN TXT "v=spf1 " "-all \"x\""
mx1       IN A 192.0.2.1
mx1       IN AAAA 2001:db8::1
mx2       IN A 192.0.2.2
www       IN CNAME web
web       IN CNAME mx1
dangling  IN CNAME gone
loop      IN CNAME loop2
loop2     IN CNAME loop
a.b.c     IN A 192.0.2.3
null      IN MX 0 .
*.wild    IN A 192.0.2.4
real.wild IN TXT "here"
1.2.0.192.in-addr.arpa. IN PTR MX1.example.test.
`

func mustParse(t *testing.T, text string) *Zone {
	t.Helper()
	z, err := ParseZone(text)
	if err != nil {
		t.Fatal(err)
	}
	return z
}

// say is the answer to a lookup in a word.
func say[T any](got []T, err error) string {
	switch {
	case NotFound(err):
		return "NXDOMAIN"
	case NoData(err):
		return "NODATA"
	case Temporary(err):
		return "temporary"
	}
	words := make([]string, len(got))
	for i, g := range got {
		words[i] = fmt.Sprint(g)
	}
	slices.Sort(words)
	return strings.Join(words, " ")
}

func lookup(t *testing.T, r Resolver, kind, name string) string {
	t.Helper()
	ctx := t.Context()
	switch kind {
	case "MX":
		return say(r.MX(ctx, name))
	case "TXT":
		return say(r.TXT(ctx, name))
	case "PTR":
		return say(r.PTR(ctx, netip.MustParseAddr(name)))
	}
	return say(r.Addrs(ctx, name))
}

func TestZone(t *testing.T) {
	t.Parallel()
	z := mustParse(t, testZone)
	for _, c := range []struct{ kind, name, want string }{
		{"MX", "example.test", "{10 mx1.example.test} {20 mx2.example.test}"},
		{"MX", "EXAMPLE.test.", "{10 mx1.example.test} {20 mx2.example.test}"},
		{"MX", "null.example.test", "{0 }"},
		{"MX", "mx1.example.test", "NODATA"},
		{"MX", "nobody.example.test", "NXDOMAIN"},
		{"MX", "other.test", "NXDOMAIN"},
		{"MX", "test", "NODATA"},
		{"MX", "c.example.test", "NODATA"},
		{"MX", "b.c.example.test", "NODATA"},
		{"MX", "x.b.c.example.test", "NXDOMAIN"},
		{"A", "mx1.example.test", "192.0.2.1 2001:db8::1"},
		{"A", "mx2.example.test", "192.0.2.2"},
		{"A", "www.example.test", "192.0.2.1 2001:db8::1"},
		{"A", "example.test", "NODATA"},
		{"A", "dangling.example.test", "NXDOMAIN"},
		{"A", "loop.example.test", "temporary"},
		{"A", "any.wild.example.test", "192.0.2.4"},
		{"A", "real.wild.example.test", "NODATA"},
		{"A", "wild.example.test", "NODATA"},
		{"A", "", "NXDOMAIN"},
		{"A", "a..b", "NXDOMAIN"},
		{"A", "a b.test", "NXDOMAIN"},
		{"A", strings.Repeat("a", 64) + ".test", "NXDOMAIN"},
		{"TXT", "example.test", `v=spf1 -all "x"`},
		{"PTR", "192.0.2.1", "mx1.example.test"},
		{"PTR", "::ffff:192.0.2.1", "mx1.example.test"},
		{"PTR", "2001:db8::1", "NXDOMAIN"},
	} {
		if got := lookup(t, z, c.kind, c.name); got != c.want {
			t.Errorf("%s of %s: %q, want %q", c.kind, c.name, got, c.want)
		}
	}
}

func TestZoneRefuses(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"a.test. 60 IN A 192.0.2.300":                              "zone",
		"a.test. 60 IN CNAME b.test.\na.test. 60 IN A 192.0.2.1\n": "stands alone",
		"$INCLUDE /etc/passwd":                                     "$INCLUDE",
	} {
		if _, err := ParseZone(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q in it", text, err, want)
		}
	}
	if _, err := LoadZone(t.TempDir() + "/none"); err == nil {
		t.Error("a file that is not there was loaded")
	}
}

func TestUnescape(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		`plain`: "plain", `a\"b`: `a"b`, `\195\164`: "ä", `\\x`: `\x`, `end\`: `end\`, `\999`: "999",
	} {
		if got := unescape(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

func FuzzZone(f *testing.F) {
	f.Add(testZone, "www.example.test")
	f.Add("* IN A 192.0.2.1\n$GENERATE 1-3 a$ A 192.0.2.$\n", "x")
	f.Fuzz(func(t *testing.T, text, name string) {
		z, err := ParseZone(text)
		if err != nil {
			return
		}
		if got, err := z.MX(t.Context(), name); (err == nil) == (len(got) == 0) {
			t.Errorf("%d records with error %v", len(got), err)
		}
	})
}
