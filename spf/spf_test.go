// SPDX-License-Identifier: MIT

package spf

import (
	"context"
	"errors"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"posthouse/mail"
	"posthouse/resolver"
)

func path(t testing.TB, wire string) mail.Path {
	t.Helper()
	p, err := mail.ParsePath(wire, true)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func zone(t testing.TB, text string) *resolver.Zone {
	t.Helper()
	z, err := resolver.ParseZone(text)
	if err != nil {
		t.Fatal(err)
	}
	return z
}

const records = `
a.test. TXT "v=spf1 ip4:192.0.2.0/24 exp=why.a.test -all"
why.a.test. TXT "%{i} may not send for %{d}; ask %{r}"
helo.a.test. TXT "v=spf1 ip4:192.0.2.7 ~all"
six.test. TXT "v=spf1 ip6:2001:db8::/32 -all"
user.test. TXT "v=spf1 exists:%{l}.ok.user.test -all"
o\'brien.ok.user.test. A 127.0.0.2
long.test. TXT "v=spf1 exp=why.long.test -all"
why.long.test. TXT "` + "%{s}%{s}%{s}%{s}%{s}%{s}%{s}%{s}%{s}%{s}%{s}%{s}%{s}%{s}%{s}%{s}%{s}%{s}%{s}%{s}" + `"
loop.test. TXT "v=spf1 include:loop.test -all"
four.test. TXT "v=spf1 mx a -all"
four.test. MX 1 m1.four.test.
four.test. MX 2 m2.four.test.
four.test. MX 3 m3.four.test.
four.test. A 192.0.2.1
m1.four.test. A 192.0.2.2
m2.four.test. A 192.0.2.3
m3.four.test. A 192.0.2.4
bell.test. TXT "v=spf1 \007all"
`

func TestCheck(t *testing.T) {
	t.Parallel()
	o := Options{Resolver: zone(t, records), Hostname: "mx.us.test"}
	for _, c := range []struct {
		client, helo, from       string
		status                   Status
		identity, domain, reason string
	}{
		{"192.0.2.7", "helo.a.test", "<u@a.test>", Pass, MailFrom, "a.test", ""},
		{"::ffff:192.0.2.7", "helo.a.test", "<u@a.test>", Pass, MailFrom, "a.test", ""},
		{"198.51.100.1", "helo.a.test", "<u@a.test>", Fail, MailFrom, "a.test", "198.51.100.1 may not send for a.test; ask mx.us.test"},
		{"192.0.2.7", "helo.a.test", "<>", Pass, HELO, "helo.a.test", ""},
		{"192.0.2.8", "HELO.a.test", "<>", SoftFail, HELO, "HELO.a.test", ""},
		{"192.0.2.7", "[192.0.2.7]", "<>", None, HELO, "[192.0.2.7]", ""},
		{"192.0.2.7", "[192.0.2.7]", "<u@[192.0.2.7]>", None, MailFrom, "[192.0.2.7]", ""},
		{"192.0.2.7", "", "<>", None, HELO, "", ""},
		{"2001:db8::1", "x", "<u@six.test>", Pass, MailFrom, "six.test", ""},
		{"192.0.2.7", "x", "<u@gone.test>", None, MailFrom, "gone.test", ""},
		{"192.0.2.7", "x", "<o'brien@user.test>", Pass, MailFrom, "user.test", ""},
		{"192.0.2.7", "x", `<"a b"@user.test>`, Fail, MailFrom, "user.test", ""},
		{"192.0.2.7", "x", "<jörg@user.test>", Fail, MailFrom, "user.test", ""}, // RFC 8616 4
		{"192.0.2.7", "x", "<u@loop.test>", PermError, MailFrom, "loop.test", ""},
		{"192.0.2.7", "x", "<u@bell.test>", PermError, MailFrom, "bell.test", ""},
		// hosts without IPv6 are one term in vain, however many they are
		{"2001:db8::1", "x", "<u@four.test>", Fail, MailFrom, "four.test", ""},
		{"192.0.2.4", "x", "<u@four.test>", Pass, MailFrom, "four.test", ""},
	} {
		r := Check(t.Context(), o, netip.MustParseAddr(c.client), c.helo, path(t, c.from))
		if r.Status != c.status || r.Identity != c.identity || r.Domain != c.domain || r.Explanation != c.reason {
			t.Errorf("%s %s %s: %+v", c.client, c.helo, c.from, r)
		}
	}
	r := Check(t.Context(), o, netip.MustParseAddr("192.0.2.1"), "x", path(t, "<"+strings.Repeat("x", 60)+"@long.test>"))
	if len(r.Explanation) != maxExplanation {
		t.Errorf("an explanation of %d octets", len(r.Explanation))
	}
	if r := Check(t.Context(), o, netip.Addr{}, "x", path(t, "<u@a.test>")); r.Status != None {
		t.Errorf("without a client: %+v", r)
	}
}

// silent is a DNS that never answers.
type silent struct{ resolver.Resolver }

func (silent) TXT(ctx context.Context, _ string) ([]string, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

func TestTimeLimit(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		r := Check(t.Context(), Options{Resolver: silent{}}, netip.MustParseAddr("192.0.2.1"), "x", path(t, "<u@a.test>"))
		if took := time.Since(start); r.Status != TempError || r.Err == nil || took != 20*time.Second {
			t.Errorf("%+v after %v", r, took)
		}
	})
}

func TestReceived(t *testing.T) {
	t.Parallel()
	client := netip.MustParseAddr("192.0.2.7")
	r := Result{Status: Pass, Identity: MailFrom, Domain: "a.test", Mechanism: "ip4:192.0.2.0/24"}
	want := "Received-SPF: pass\r\n\treceiver=mx.us.test;\r\n\tidentity=mailfrom;\r\n\tclient-ip=192.0.2.7;\r\n\thelo=helo.a.test;\r\n" +
		"\tenvelope-from=\"u@a.test\";\r\n\tmechanism=\"ip4:192.0.2.0/24\"\r\n"
	if got := r.Received("mx.us.test", client, "helo.a.test", path(t, "<u@a.test>")); string(got) != want {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	r = Result{Status: TempError, Identity: HELO, Err: errors.New("server 127.0.0.53:53: SERVFAIL")}
	if got := string(r.Received("mx.us.test", client, "x", mail.Path{})); !strings.Contains(got, `problem="the DNS`) || strings.Contains(got, "127.0.0.53") {
		t.Errorf("%q", got)
	}
	for _, helo := range []string{"a\r\nX: y", `a"; x="b\`, "a; identity=helo", strings.Repeat("x", 5000), "jörg"} {
		field := r.Received("mx.us.test", client, helo, mail.Path{})
		h, err := mail.ParseHeader(string(field))
		if err != nil || len(h.Fields()) != 1 || len(field) > 1200 || !strings.Contains(string(field), `envelope-from=""`) {
			t.Errorf("%q: %q", helo, field)
		}
		if strings.Count(withoutQuoted(string(field)), "identity=") != 1 {
			t.Errorf("%q forged a key: %q", helo, field)
		}
	}
}

// withoutQuoted takes quoted strings out.
func withoutQuoted(s string) string {
	var b strings.Builder
	quoted := false
	for i := 0; i < len(s); i++ {
		switch {
		case quoted && s[i] == '\\':
			i++
		case s[i] == '"':
			quoted = !quoted
		case !quoted:
			b.WriteByte(s[i])
		}
	}
	return b.String()
}

// oneRecord answers every question for texts with one record, and finds no hosts.
type oneRecord struct {
	resolver.Resolver
	text  string
	asked int
}

func (o *oneRecord) TXT(context.Context, string) ([]string, error) {
	o.asked++
	return []string{o.text}, nil
}

func (o *oneRecord) Ask(context.Context, string, uint16) (resolver.Answer, error) {
	o.asked++
	return resolver.Answer{}, resolver.ErrNoData
}

func (o *oneRecord) MX(context.Context, string) ([]resolver.MX, error) {
	o.asked++
	return []resolver.MX{{Host: "m.test"}}, nil
}

func (o *oneRecord) PTR(context.Context, netip.Addr) ([]string, error) {
	o.asked++
	return []string{"p.test"}, nil
}

func FuzzRecord(f *testing.F) {
	for _, s := range []string{
		"v=spf1 ip4:192.0.2.0/24 ip6:2001:db8::/32 a:x.test/24//64 mx ptr exists:%{ir}.%{l1r-}.x.test include:y.test ~all",
		"v=spf1 redirect=%{d2}.test exp=x.%{h}", "v=spf1 a//0 mx/32 %{%", "v=spf1 exp=a.test -all", "v=spf1 include:%{o}",
		"v=spf1 include:%{d}.%{d}.%{d}.%{d}.%{d}.%{d}.test",
	} {
		f.Add(s, "local.part")
	}
	f.Fuzz(func(t *testing.T, text, local string) {
		dns := &oneRecord{text: text}
		o := Options{Resolver: dns, Hostname: "mx.us.test"}
		r := o.check(t.Context(), MailFrom, netip.MustParseAddr("192.0.2.1"), "helo.test", local, "a.test")
		if dns.asked > 40 {
			t.Errorf("%d questions", dns.asked)
		}
		if len(r.Explanation) > maxExplanation || !isText(r.Explanation) {
			t.Errorf("explanation %q", r.Explanation)
		}
		switch r.Status {
		case None, Neutral, Pass, Fail, SoftFail, TempError, PermError:
		default:
			t.Errorf("status %q", r.Status)
		}
	})
}

func BenchmarkCheck(b *testing.B) {
	o := Options{Resolver: zone(b, `
a.test. TXT "v=spf1 ip4:198.51.100.0/24 include:_spf.a.test a mx ~all"
_spf.a.test. TXT "v=spf1 ip4:203.0.113.0/24 ip6:2001:db8::/32 ip4:192.0.2.0/24 ~all"
`), Hostname: "mx.us.test"}
	client, from := netip.MustParseAddr("192.0.2.1"), path(b, "<u@a.test>")
	b.ReportAllocs()
	for b.Loop() {
		if r := Check(b.Context(), o, client, "helo.a.test", from); r.Status != Pass {
			b.Fatal(r)
		}
	}
}
