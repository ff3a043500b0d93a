// SPDX-License-Identifier: MIT

package dmarc

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"

	"posthouse/resolver"
)

func zone(t testing.TB, records ...string) *resolver.Zone {
	t.Helper()
	var b strings.Builder
	for _, r := range records {
		name, text, _ := strings.Cut(r, " ")
		b.WriteString("_dmarc." + name + ". TXT \"" + text + "\"\n")
	}
	z, err := resolver.ParseZone(b.String())
	if err != nil {
		t.Fatal(err)
	}
	return z
}

// TestRFC9989 is the examples of RFC 9989, each under the section it stands in. The zones are those of the text; where it names
// none, the organizational domain has a record.
func TestRFC9989(t *testing.T) {
	t.Parallel()
	example := []string{"example.com v=DMARC1; p=reject", "example.net v=DMARC1; p=reject"}
	b41 := []string{"example.com v=DMARC1; p=quarantine", "signing.example.com v=DMARC1; p=none"}
	bank := []string{"bank.example v=DMARC1; p=reject; psd=y", "giant.bank.example v=DMARC1; p=quarantine"}
	const deep = "a.b.c.d.e.f.g.h.i.j.k.example.com"
	for _, c := range []struct {
		section      string
		zone         []string
		author, spf  string
		dkim         []string
		status       Status
		policyDomain string
		disposition  Policy
	}{
		{"4.4 table, row 1: relaxed", example, "news.example.com", "", []string{"foo.example.com"}, Pass, "example.com", Nothing},
		{"4.4 table, row 2: strict", []string{"example.com v=DMARC1; p=reject; adkim=s"}, "news.example.com", "", []string{"news.example.com"}, Pass, "example.com", Nothing},
		{"4.4 table, row 1, but strict", []string{"example.com v=DMARC1; p=reject; adkim=s"}, "news.example.com", "", []string{"foo.example.com"}, Fail, "example.com", Reject},
		{"4.4 table, row 3: none", example, "news.example.com", "", []string{"foo.example.net"}, Fail, "example.com", Reject},
		{"B.1.1 example 1", []string{"example.com v=DMARC1; p=reject; aspf=s"}, "example.com", "example.com", nil, Pass, "example.com", Nothing},
		{"B.1.1 example 2", example, "example.com", "child.example.com", nil, Pass, "example.com", Nothing},
		{"B.1.1 example 2, but strict", []string{"example.com v=DMARC1; p=reject; aspf=s"}, "example.com", "child.example.com", nil, Fail, "example.com", Reject},
		{"B.1.1 example 3", example, "child.example.com", "example.net", nil, Fail, "example.com", Reject},
		{"B.1.2 example 1", []string{"example.com v=DMARC1; p=reject; adkim=s"}, "example.com", "", []string{"example.com"}, Pass, "example.com", Nothing},
		{"B.1.2 example 2", example, "child.example.com", "", []string{"example.com"}, Pass, "example.com", Nothing},
		{"B.1.2 example 3", example, "child.example.com", "", []string{"example.net"}, Fail, "example.com", Reject},
		{"B.2.1 monitoring", []string{"example.com v=DMARC1; p=none; rua=mailto:dmarc-feedback@example.com"}, "example.com", "", nil, Fail, "example.com", Nothing},
		{"B.2.2 failure reports", []string{"example.com v=DMARC1; p=none; rua=mailto:dmarc-feedback@example.com; ruf=mailto:auth-reports@example.com"}, "example.com", "", nil, Fail, "example.com", Nothing},
		{"B.2.5 testing", []string{"test.example.com v=DMARC1; p=quarantine; rua=mailto:dmarc-feedback@example.com,mailto:tld-test@thirdparty.example.net; t=y"}, "test.example.com", "", nil, Fail, "test.example.com", Nothing},
		{"B.2.5 in earnest", []string{"test.example.com v=DMARC1; p=reject; rua=mailto:dmarc-feedback@example.com,mailto:tld-test@thirdparty.example.net"}, "test.example.com", "", nil, Fail, "test.example.com", Reject},
		{"B.4.1 SPF", b41, "example.com", "example.com", nil, Pass, "example.com", Nothing},
		{"B.4.1 DKIM", b41, "example.com", "", []string{"signing.example.com"}, Pass, "example.com", Nothing},
		{"B.4.1 neither", b41, "example.com", "", nil, Fail, "example.com", Quarantine},
		{"B.4.2 SPF", b41, deep, "example.com", nil, Pass, "example.com", Nothing},
		{"B.4.2 DKIM", b41, deep, "", []string{"signing.example.com"}, Pass, "example.com", Nothing},
		{"B.4.2 neither", b41, deep, "", nil, Fail, "example.com", Quarantine},
		{"B.4.3 SPF", bank, "giant.bank.example", "mail.giant.bank.example", nil, Pass, "giant.bank.example", Nothing},
		{"B.4.3 DKIM", bank, "giant.bank.example", "", []string{"mail.mega.bank.example"}, Fail, "giant.bank.example", Quarantine},
		{"B.4.3 a bank without a record", bank, "mega.bank.example", "", []string{"mail.giant.bank.example"}, Fail, "bank.example", Reject},
	} {
		t.Run(c.section, func(t *testing.T) {
			t.Parallel()
			r := Check(t.Context(), zone(t, c.zone...), c.author, c.spf, c.dkim)
			if r.Status != c.status || r.PolicyDomain != c.policyDomain || r.Disposition != c.disposition {
				t.Errorf("%+v", r)
			}
		})
	}
}

// TestOrganization is the examples of RFC 9989 4.10.2, and what its rules say besides.
func TestOrganization(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		section, domain, want string
		zone                  []string
	}{
		{"4.10.2 first", "a.mail.example.com", "example.com", []string{"mail.example.com v=DMARC1", "example.com v=DMARC1"}},
		{"4.10.2 second", "a.mail.example.com", "mail.example.com", []string{"mail.example.com v=DMARC1; psd=n", "example.com v=DMARC1"}},
		{"4.10.2 last", "a.mail.example.com", "example.com", []string{"com v=DMARC1; psd=y"}},
		{"4.10.2 rule 2", "mail.example.com", "mail.example.com", []string{"example.com v=DMARC1; psd=y"}},
		{"4.10.2 rule 2, where it started", "example.com", "example.com", []string{"example.com v=DMARC1; psd=y", "com v=DMARC1"}},
		{"4.10.2 none", "a.mail.example.com", "a.mail.example.com", nil},
		{"4.10 step 2, several", "a.example.com", "example.com", []string{"a.example.com v=DMARC1; psd=n", "a.example.com v=DMARC1; psd=n", "example.com v=DMARC1"}},
		{"4.10 step 2, others", "a.example.com", "a.example.com", []string{"a.example.com v=DMARC1; psd=n", "a.example.com v=spf1", "a.example.com v=dmarc1; p=none"}},
	} {
		records, err := walk(t.Context(), zone(t, c.zone...), c.domain)
		if got := organization(c.domain, records); got != c.want || err != nil {
			t.Errorf("%s: %s, %v, want %s", c.section, got, err, c.want)
		}
	}
}

// noted writes down what is asked.
type noted struct {
	resolver.Resolver
	lock  sync.Mutex
	asked []string
	fail  string // the name that the DNS fails for
}

func (n *noted) TXT(ctx context.Context, name string) ([]string, error) {
	n.lock.Lock()
	n.asked = append(n.asked, name)
	n.lock.Unlock()
	if name == n.fail {
		return nil, errors.New("SERVFAIL")
	}
	return n.Resolver.TXT(ctx, name)
}

func (n *noted) Ask(ctx context.Context, name string, rrtype uint16) (resolver.Answer, error) {
	if name == n.fail {
		return resolver.Answer{}, errors.New("SERVFAIL")
	}
	return n.Resolver.Ask(ctx, name, rrtype)
}

// TestWalk is the eight questions of RFC 9989 4.10, and those of 5.1.8 and B.4.2.
func TestWalk(t *testing.T) {
	t.Parallel()
	for domain, want := range map[string]string{
		"a.b.c.d.e.f.g.h.i.j.mail.example.com": "a.b.c.d.e.f.g.h.i.j.mail.example.com g.h.i.j.mail.example.com h.i.j.mail.example.com i.j.mail.example.com j.mail.example.com mail.example.com example.com com",
		"a.b.c.d.e.f.g.h.i.j.k.example.com":    "a.b.c.d.e.f.g.h.i.j.k.example.com g.h.i.j.k.example.com h.i.j.k.example.com i.j.k.example.com j.k.example.com k.example.com example.com com",
		"mail.a.b.c.d.e.f.g.example.com":       "mail.a.b.c.d.e.f.g.example.com c.d.e.f.g.example.com d.e.f.g.example.com e.f.g.example.com f.g.example.com g.example.com example.com com",
		"a.b.c.d.e.f.g.h":                      "a.b.c.d.e.f.g.h b.c.d.e.f.g.h c.d.e.f.g.h d.e.f.g.h e.f.g.h f.g.h g.h h",
		"a.mail.example.com":                   "a.mail.example.com mail.example.com example.com com",
		"com":                                  "com",
		strings.Repeat("x.", 120) + "test":     strings.Repeat("x.", 120) + "test x.x.x.x.x.x.test x.x.x.x.x.test x.x.x.x.test x.x.x.test x.x.test x.test test",
	} {
		n := &noted{Resolver: zone(t)}
		if _, err := walk(t.Context(), n, domain); err != nil {
			t.Error(err)
		}
		var names []string
		for _, name := range strings.Fields(want) {
			names = append(names, "_dmarc."+name)
		}
		slices.Sort(n.asked)
		slices.Sort(names)
		if !slices.Equal(n.asked, names) {
			t.Errorf("%s: asked %v, want %v", domain, n.asked, names)
		}
	}
}

// TestPolicies is which of p, sp and np counts (RFC 9989 4.7, 4.10.1), with the domain there or not.
func TestPolicies(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		record, author string
		status         Status
		want           Policy
	}{
		{"v=DMARC1; p=reject; sp=quarantine; np=none", "a.test", Fail, Reject},
		{"v=DMARC1; p=reject; sp=quarantine; np=none", "there.a.test", Fail, Quarantine},
		{"v=DMARC1; p=reject; sp=quarantine; np=none", "empty.a.test", Fail, Quarantine}, // exists by a name below it (RFC 8020)
		{"v=DMARC1; p=reject; sp=quarantine; np=none", "gone.a.test", Fail, Nothing},
		{"v=DMARC1; p=none; np=reject", "there.a.test", Fail, Nothing},
		{"v=DMARC1; p=none; np=reject", "gone.a.test", Fail, Reject},
		{"v=DMARC1; p=none; sp=quarantine", "gone.a.test", Fail, Quarantine},
		{"v=DMARC1; p=quarantine", "gone.a.test", Fail, Quarantine},
		{"v=DMARC1; p=reject; t=y", "a.test", Fail, Quarantine},
		{"v=DMARC1; p=quarantine; t=y", "a.test", Fail, Nothing},
		{"v=DMARC1; p=none; t=y", "a.test", Fail, Nothing},
		{"v=DMARC1; p=none; np=reject; t=y", "gone.a.test", Fail, Quarantine},
		{"v=DMARC1; p=reject; t=yes", "a.test", Fail, Reject},
		{"v=DMARC1;p=Reject", "a.test", Fail, Reject},
		{"  v = DMARC1 ;p =\treject ; nonsense; x-y=1;;", "a.test", Fail, Reject},
		{"v=DMARC1; pct=0; rf=x; ri=y; p=reject", "a.test", Fail, Reject},
		{"v=DMARC1; p=none; p=reject", "a.test", Fail, Nothing},
		// 4.10.1: broken policies
		{"v=DMARC1", "a.test", None, Nothing},
		{"v=DMARC1; rua=mailto:r@a.test", "a.test", Fail, Nothing},
		{"v=DMARC1; p=block", "a.test", None, Nothing},
		{"v=DMARC1; p=reject; sp=block", "a.test", None, Nothing},
		{"v=DMARC1; p=reject; np=block; rua=mailto:r@a.test", "a.test", Fail, Nothing},
		{"v=DMARC1; p=reject; sp=block; rua=nobody", "a.test", None, Nothing},
		// 4.7: v
		{"v=DMARC2; p=reject", "a.test", None, Nothing},
		{"v=dmarc1; p=reject", "a.test", None, Nothing},
		{"p=reject; v=DMARC1", "a.test", None, Nothing},
		{"v=DMARC1 p=reject", "a.test", None, Nothing},
		{"", "a.test", None, Nothing},
	} {
		z, err := resolver.ParseZone("_dmarc.a.test. TXT \"" + c.record + "\"\nthere.a.test. MX 0 .\nx.empty.a.test. A 192.0.2.1\n")
		if err != nil {
			t.Fatal(err)
		}
		if r := Check(t.Context(), z, c.author, "", nil); r.Status != c.status || r.Disposition != c.want {
			t.Errorf("%q for %s: %s %s, want %s %s", c.record, c.author, r.Status, r.Disposition, c.status, c.want)
		}
	}
}

func TestTroubleWithTheDNS(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		fail, author, spf string
		dkim              []string
		want              Status
	}{
		{"_dmarc.a.test", "a.test", "a.test", nil, TempError},
		{"_dmarc.test", "a.test", "a.test", nil, Pass}, // the same domain needs no walk
		{"_dmarc.test", "a.test", "b.a.test", nil, TempError},
		{"_dmarc.test", "a.test", "", nil, Fail},
		{"_dmarc.test", "b.a.test", "b.a.test", nil, TempError},
		{"_dmarc.b.a.test", "a.test", "b.a.test", nil, TempError},
		{"_dmarc.b.a.test", "a.test", "b.a.test", []string{"a.test"}, Pass},
		{"_dmarc.b.a.test", "a.test", "c.b.a.test", nil, TempError},
		{"_dmarc.other.test", "a.test", "other.test", nil, Fail}, // of another organization in any case
		{"_dmarc.test", "a.test", "other.test", nil, TempError},  // both may be of one
		{"_dmarc.test", "a.test", "other.invalid", []string{"b.a.invalid"}, Fail},
		{"_dmarc.test", "a.test", "other.invalid", []string{"a.test"}, Pass},
		{"_dmarc.test", "x.n.test", "y.n.test", nil, Pass}, // psd=n, psd=y: what lies further up does not matter
		{"_dmarc.test", "x.y.test", "z.x.y.test", nil, Pass},
		{"there.a.test", "there.a.test", "", nil, TempError}, // np may apply
		{"there.a.test", "there.a.test", "a.test", nil, Pass},
		{"there.n.test", "there.n.test", "", nil, Fail}, // no np
	} {
		z := zone(t, "a.test v=DMARC1; p=reject; np=none", "n.test v=DMARC1; p=reject; psd=n", "y.test v=DMARC1; p=reject; psd=y")
		r := Check(t.Context(), &noted{Resolver: z, fail: c.fail}, c.author, c.spf, c.dkim)
		if r.Status != c.want || (r.Err != nil) != (c.want == TempError) {
			t.Errorf("%s fails, %s %s %v: %+v", c.fail, c.author, c.spf, c.dkim, r)
		}
	}
}

func FuzzRecord(f *testing.F) {
	f.Add("v=DMARC1; p=reject; sp=none; np=quarantine; adkim=s; aspf=r; psd=y; t=y; rua=mailto:a@b.test!10m,https:x")
	f.Add(" v = DMARC1;p=")
	f.Fuzz(func(t *testing.T, text string) {
		r, ok := ParseRecord(text)
		for _, p := range []Policy{r.Policy, r.Subdomains, r.NonExistent} {
			if p != "" && p != Nothing && p != Quarantine && p != Reject {
				t.Errorf("policy %q", p)
			}
		}
		if ok && !strings.Contains(text, "DMARC1") {
			t.Error("taken without a version")
		}
	})
}

func BenchmarkCheck(b *testing.B) {
	z := zone(b, "a.test v=DMARC1; p=reject; rua=mailto:r@a.test")
	b.ReportAllocs()
	for b.Loop() {
		if r := Check(b.Context(), z, "news.a.test", "bounce.a.test", []string{"a.test"}); r.Status != Pass {
			b.Fatal(r)
		}
	}
}
