// SPDX-License-Identifier: MIT

package mail

import (
	"errors"
	"strings"
	"testing"
)

func TestParsePath(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("l", 255)
	for _, c := range []struct{ wire, local, domain, text string }{
		{"<>", "", "", ""},
		{"<postmaster>", "postmaster", "", "postmaster"},
		{"<PostMaster>", "postmaster", "", "postmaster"},
		{"<Pim@IPng.TEST>", "Pim", "ipng.test", "Pim@ipng.test"},
		{"<a.b+c=d@x.test>", "a.b+c=d", "x.test", "a.b+c=d@x.test"},
		{"<SRS0=aB/x=1Q=from.test=joe@fwd.test>", "SRS0=aB/x=1Q=from.test=joe", "fwd.test", "SRS0=aB/x=1Q=from.test=joe@fwd.test"},
		{"<@relay.test,@[192.0.2.7],@[IPv6:2001:db8::7]:joe@x.test>", "joe", "x.test", "joe@x.test"},
		{`<"joe"@x.test>`, "joe", "x.test", "joe@x.test"},
		{`<"a b"@x.test>`, "a b", "x.test", `"a b"@x.test`},
		{`<"a\"b\\c\d"@x.test>`, `a"b\cd`, "x.test", `"a\"b\\cd"@x.test`},
		{`<"victim@else.test> NOTIFY=NEVER"@x.test>`, "victim@else.test> NOTIFY=NEVER", "x.test", `"victim@else.test> NOTIFY=NEVER"@x.test`},
		{`<"a..b"@x.test>`, "a..b", "x.test", `"a..b"@x.test`},
		{"<a@[192.0.2.1]>", "a", "[192.0.2.1]", "a@[192.0.2.1]"},
		{"<a@[ipv6:2001:DB8:0:0::1]>", "a", "[IPv6:2001:db8::1]", "a@[IPv6:2001:db8::1]"},
		{"<a@localhost>", "a", "localhost", "a@localhost"},
		{"<a@xn--bcher-kva.test>", "a", "xn--bcher-kva.test", "a@xn--bcher-kva.test"},
		{"<a@Bücher.test>", "a", "xn--bcher-kva.test", "a@xn--bcher-kva.test"},
		{"<a@faß。test>", "a", "xn--fa-hia.test", "a@xn--fa-hia.test"},
		{"<jürg@x.test>", "jürg", "x.test", "jürg@x.test"},
		{`<"jürg z"@x.test>`, "jürg z", "x.test", `"jürg z"@x.test`},
		{"<" + long + "@x.test>", long, "x.test", long + "@x.test"},
	} {
		p, err := ParsePath(c.wire, true)
		if err != nil || p.Local() != c.local || p.Domain() != c.domain || p.String() != c.text {
			t.Errorf("%s: %q %q %q, %v", c.wire, p.Local(), p.Domain(), p.String(), err)
		}
	}
}

func TestParsePathRefuses(t *testing.T) {
	t.Parallel()
	for _, wire := range []string{
		"", "<po\u017ftmaster>", "a@b", "<a@b", "a@b>", "<a>", "<@>", "<a@>", "<@b>", "<a@b@c>", "<a@b>x>", "<<a@b>>", "< a@b>", "<a@b >", "<a b@c>",
		"<.a@b>", "<a.@b>", "<a..b@c>", "<a(x)@b>", "<a,b@c>", "<a;b@c>", "<a:b@c>", `<a\b@c>`, `<a"b"@c>`, "<a@b.>", "<a@.b>",
		"<a@b..c>", "<a@-b>", "<a@b->", "<a@b_!>", "<a@b/c>", "<a@192.0.2.1>", "<a@x.123>",
		"<a@[192.0.2.1>", "<a@[192.0.2.256]>", "<a@[2001:db8::1]>", "<a@[IPv6:192.0.2.1]>", "<a@[IPv6:fe80::1%eth0]>", "<a@[]>", "<a@[x:y]>",
		"<a@[192.0.2.1]x>", `<"a@b>`, `<"a"b@c>`, `<"a"@b@c>`, `<"a\`, `<"a\">`, `<""@b>`, "<\"a\rb\"@c>", "<\"a\nb\"@c>", "<\"a\x00b\"@c>",
		"<\"a\\\nb\"@c>", "<\"a\tb\"@c>", "<a\x7f@b>", "<a@b\r\n>", "<\"\xff\"@b>", "<a\xc3@b>", "<\"a\u0085b\"@c>", "<\"a\u2028b\"@c>",
		"<@a>", "<@a:>", "<@a,b:c@d>", "<@a;@b:c@d>", "<@a b:c@d>", "<@[1:c@d>",
		"<" + strings.Repeat("l", 256) + "@x.test>", "<l@" + strings.Repeat("d", 64) + ".test>",
		"<l@" + strings.Repeat("d.", 127) + "test>", "<" + strings.Repeat("l", 200) + "@" + strings.Repeat("dd.", 40) + "test>",
		"<a@\u0338x.test>", "<a@xn--\u00fc.test>", strings.Repeat("<@a:", 600) + "a@b>",
	} {
		if p, err := ParsePath(wire, true); !errors.Is(err, ErrPath) {
			t.Errorf("%q: %q, %v", wire, p, err)
		}
	}
}

func TestParsePathNeedsUTF8(t *testing.T) {
	t.Parallel()
	for _, wire := range []string{"<jürg@x.test>", "<a@bücher.test>"} {
		if p, err := ParsePath(wire, false); !errors.Is(err, ErrNeedUTF8) {
			t.Errorf("%s: %q, %v", wire, p, err)
		}
	}
}

func TestParseAddress(t *testing.T) {
	t.Parallel()
	for _, s := range []string{"joe@x.test", `"a b"@x.test`, "jürg@x.test", "a@[192.0.2.1]"} {
		if p, err := ParseAddress(s); err != nil || p.String() != s {
			t.Errorf("%s: %q, %v", s, p, err)
		}
	}
	for _, s := range []string{"", "joe", "<joe@x.test>", "@a:joe@x.test", "joe@", "@x.test"} {
		if p, err := ParseAddress(s); !errors.Is(err, ErrPath) {
			t.Errorf("%s: %q, %v", s, p, err)
		}
	}
}

func TestMakePath(t *testing.T) {
	t.Parallel()
	p, err := MakePath("a> b\"", "X.Test")
	if err != nil || p.Wire() != `<"a> b\""@x.test>` {
		t.Errorf("%s, %v", p.Wire(), err)
	}
	for _, c := range [][2]string{{"", "x.test"}, {"a", ""}, {"a\r\n", "x.test"}, {"a", "x>.test"}, {strings.Repeat("\"", 200), "x.test"}} {
		if p, err := MakePath(c[0], c[1]); !errors.Is(err, ErrPath) {
			t.Errorf("%q: %s, %v", c, p.Wire(), err)
		}
	}
}

func TestPathText(t *testing.T) {
	t.Parallel()
	plain, _ := ParseAddress(strings.Repeat("l", 255) + "@x.test")
	for _, p := range []Path{{}, {local: "postmaster"}, {"a b", "x.test"}, {"jürg", "x.test"}, plain.WithDomain(strings.Repeat("dd.", 40) + "test")} {
		text, err := p.MarshalText()
		var q Path
		if err == nil {
			err = q.UnmarshalText(text)
		}
		if err != nil || q != p {
			t.Errorf("%q: %q, %v", p, q, err)
		}
	}
	var q Path
	if err := q.UnmarshalText([]byte("a@b> x")); !errors.Is(err, ErrPath) {
		t.Error(q, err)
	}
}

func TestPathLiteral(t *testing.T) {
	t.Parallel()
	for wire, want := range map[string]string{
		"<a@[192.0.2.1]>": "192.0.2.1", "<a@[IPv6:2001:db8::1]>": "2001:db8::1", "<a@[IPv6:::ffff:192.0.2.1]>": "192.0.2.1",
	} {
		p, err := ParsePath(wire, false)
		if addr, ok := p.Literal(); err != nil || !ok || addr.String() != want {
			t.Errorf("%s: %v %v %v", wire, addr, ok, err)
		}
	}
	if _, ok := (Path{"a", "x.test"}).Literal(); ok {
		t.Error("a domain is no literal")
	}
}

func FuzzParsePath(f *testing.F) {
	for _, s := range []string{"<>", "<a@b>", `<"a b\"@"@c>`, "<@r:a@b>", "<a@[IPv6:::1]>", "<ü@ü>", "<postmaster>"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, wire string) {
		p, err := ParsePath(wire, true)
		if err != nil {
			if !errors.Is(err, ErrPath) {
				t.Fatalf("%v does not wrap ErrPath", err)
			}
			return
		}
		if strings.ContainsAny(p.Wire(), "\r\n\x00") || len(p.Wire()) > maxPath+2 {
			t.Fatalf("unsafe: %q", p.Wire())
		}
		if again, err := ParsePath(p.Wire(), true); err != nil || again != p {
			t.Fatalf("%q -> %q -> %q, %v", wire, p.Wire(), again.Wire(), err)
		}
		if !p.NeedsUTF8() && !isASCII(p.Wire()) {
			t.Fatalf("%q says that it is ASCII", p.Wire())
		}
	})
}

// FuzzMakePath joins what an alias or SRS may have made of anything.
func FuzzMakePath(f *testing.F) {
	f.Add("a b", "x.test")
	f.Add("a\"> <b@c", "[IPv6:::1]")
	f.Add("\u2028", "\uff20.test")
	f.Fuzz(func(t *testing.T, local, domain string) {
		p, err := MakePath(local, domain)
		if err != nil {
			return
		}
		if again, err := ParsePath(p.Wire(), true); err != nil || again != p || p.Local() != local {
			t.Fatalf("%q, %q -> %q -> %q, %v", local, domain, p.Wire(), again.Wire(), err)
		}
	})
}
