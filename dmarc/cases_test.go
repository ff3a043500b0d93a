// SPDX-License-Identifier: MIT

package dmarc

import (
	"strings"
	"testing"

	"posthouse/resolver"
)

// evaluation is a message's domains, what the DNS says, and what comes of it.
type evaluation struct {
	name         string
	zone         string // lines; "name: text" is a policy record at _dmarc.name
	author, spf  string
	dkim         string // several with blanks between
	status       Status
	policyDomain string
	disposition  Policy
}

func (e *evaluation) resolver(t *testing.T) *resolver.Zone {
	t.Helper()
	var b strings.Builder
	for line := range strings.Lines(e.zone) {
		line = strings.TrimSpace(line)
		if name, text, ok := strings.Cut(line, ": "); ok {
			line = "_dmarc." + name + ". TXT \"" + text + "\""
		}
		b.WriteString(line + "\n")
	}
	z, err := resolver.ParseZone(b.String())
	if err != nil {
		t.Fatal(err)
	}
	return z
}

func evaluate(t *testing.T, cases []evaluation) {
	t.Parallel()
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r := Check(t.Context(), c.resolver(t), c.author, c.spf, strings.Fields(c.dkim))
			if r.Status != c.status || r.PolicyDomain != c.policyDomain || r.Disposition != c.disposition {
				t.Errorf("%s at %q, %s, want %s at %q, %s (%v)",
					r.Status, r.PolicyDomain, r.Disposition, c.status, c.policyDomain, c.disposition, r.Err)
			}
		})
	}
}

// TestAlignment is RFC 9989 4.4 and 4.10.2: which domains stand behind which.
func TestAlignment(t *testing.T) {
	const strict = "example.org: v=DMARC1; p=reject; aspf=s; adkim=s; fo=1; rua=mailto:d@example.org"
	const relaxed = "example.org: v=DMARC1; p=reject; aspf=r; adkim=r; fo=1; rua=mailto:d@example.org"
	const mixed = "example.org: v=DMARC1; p=reject; adkim=s; aspf=r"
	const hebrew = "xn--eebajf.xn--9dbq2a: v=DMARC1; p=reject; aspf=s; adkim=s"
	const bank = "bank.example: v=DMARC1; p=reject; psd=y\ngiant.bank.example: v=DMARC1; p=reject"
	const mail = "mail.example.com: v=DMARC1; p=reject\nexample.com: v=DMARC1; p=reject"
	evaluate(t, []evaluation{
		{"strict, the same", strict, "example.org", "example.org", "example.org", Pass, "example.org", Nothing},
		{"strict, a subdomain", strict, "example.org", "sub.example.org", "sub.example.org", Fail, "example.org", Reject},
		{"strict, the organization", strict, "sub.example.org", "example.org", "example.org", Fail, "example.org", Reject},
		{"strict in capitals", "example.org: v=DMARC1; p=reject; adkim=S", "sub.example.org", "", "example.org", Fail, "example.org", Reject},
		{"strict, at an inherited record", strict, "sub.example.org", "", "sub.example.org", Pass, "example.org", Nothing},
		{"relaxed, a subdomain", relaxed, "example.org", "sub.example.org", "", Pass, "example.org", Nothing},
		{"relaxed, a subdomain that signs", relaxed, "example.org", "", "sub.example.org", Pass, "example.org", Nothing},
		{"relaxed, siblings", relaxed, "a.example.org", "b.example.org", "", Pass, "example.org", Nothing},
		{"relaxed, a name that ends alike", relaxed, "example.org", "anexample.org", "an.anexample.org", Fail, "example.org", Reject},
		{"relaxed for SPF where DKIM is strict", mixed, "example.org", "sub.example.org", "sub.example.org", Pass, "example.org", Nothing},
		{"strict for DKIM where SPF is relaxed", mixed, "example.org", "", "sub.example.org", Fail, "example.org", Reject},
		{"nothing passed", strict, "example.org", "", "", Fail, "example.org", Reject},
		{"the second signature", strict, "example.org", "", "other.test example.org", Pass, "example.org", Nothing},
		{"case", strict, "example.org", "EXAMPLE.ORG", "", Pass, "example.org", Nothing},
		{"case of the author", strict, "Example.Org", "", "example.org", Pass, "example.org", Nothing},
		{"a final dot", strict, "example.org", "", "example.org.", Pass, "example.org", Nothing},
		{"U-labels in From", hebrew, "מייל.קום", "xn--eebajf.xn--9dbq2a", "", Pass, "xn--eebajf.xn--9dbq2a", Nothing},
		{"U-labels that passed SPF", hebrew, "xn--eebajf.xn--9dbq2a", "מייל.קום", "", Pass, "xn--eebajf.xn--9dbq2a", Nothing},
		{"U-labels in a signature", hebrew, "xn--eebajf.xn--9dbq2a", "", "מייל.קום", Pass, "xn--eebajf.xn--9dbq2a", Nothing},
		{"underscores in a signature", relaxed, "example.org", "", "_s.example.org", Pass, "example.org", Nothing},
		{"siblings below psd=n", "mail.example.com: v=DMARC1; p=reject; psd=n", "a.mail.example.com", "b.mail.example.com", "", Pass, "mail.example.com", Nothing},
		{"beside psd=n", "mail.example.com: v=DMARC1; p=reject; psd=n\nexample.com: v=DMARC1; p=none", "a.mail.example.com", "example.com", "www.example.com", Fail, "mail.example.com", Reject},
		{"siblings below psd=y", bank, "giant.bank.example", "mega.bank.example", "", Fail, "giant.bank.example", Reject},
		{"psd=y itself", bank, "giant.bank.example", "bank.example", "", Fail, "giant.bank.example", Reject},
		{"psd=y as the author", bank, "bank.example", "giant.bank.example", "", Fail, "bank.example", Reject},
		{"psd=y as the author, the same", bank, "bank.example", "bank.example", "", Pass, "bank.example", Nothing},
		{"11.8 a subdomain that somebody else has", "example.com: v=DMARC1; p=reject", "example.com", "evil.example.com", "", Pass, "example.com", Nothing},
		{"11.8 the record further up", mail, "evil.example.com", "mail.example.com", "", Pass, "example.com", Nothing},
		{"11.8 with psd=n", strings.Replace(mail, "p=reject", "p=reject; psd=n", 1), "evil.example.com", "mail.example.com", "", Fail, "example.com", Reject},
		{"11.8 a suffix without psd=y", "com: v=DMARC1; p=none\nexample.com: v=DMARC1; p=reject", "example.com", "other.com", "", Pass, "example.com", Nothing},
		{"11.8 a suffix without psd=y, against psd=n", "com: v=DMARC1; p=none\nexample.com: v=DMARC1; p=reject; psd=n", "example.com", "other.com", "", Fail, "example.com", Reject},
		{"B.3.1", "example.com: v=DMARC1; p=reject; aspf=r; rua=mailto:dmarc-feedback@example.com", "example.com", "mail.example.com", "example.com", Pass, "example.com", Nothing},
	})
}

// TestDiscovery is RFC 9989 4.10 and 4.10.1: which record applies, and what it asks for.
func TestDiscovery(t *testing.T) {
	const all = "example.org: v=DMARC1; p=reject; sp=quarantine; np=none\nsub.example.org. A 127.0.0.1"
	const cut = "example.com: v=DMARC1; p=none\nb.c.d.e.f.g.example.com: v=DMARC1; p=reject; psd=n"
	const report = "v=DMARC1; p=none; rua=mailto:dmarc-feedback@example.com; ruf=mailto:auth-reports@thirdparty.example.net"
	evaluate(t, []evaluation{
		{"p for the domain", all, "example.org", "", "", Fail, "example.org", Reject},
		{"sp for a domain below", all, "sub.example.org", "", "", Fail, "example.org", Quarantine},
		{"np for one that is not there", all, "ghost.example.org", "", "", Fail, "example.org", Nothing},
		{"np for one that is far below", "example.com: v=DMARC1; p=reject; np=none; rua=mailto:d@example.com", "a.b.c.d.e.f.g.h.i.j.mail.example.com", "", "", Fail, "example.com", Nothing},
		{"np is asked for by t=y too", "example.com: v=DMARC1; p=none; np=reject; t=y", "ghost.example.com", "", "", Fail, "example.com", Quarantine},
		{"no p, but reports", "example.org: v=DMARC1; rua=mailto:d@example.org", "example.org", "", "", Fail, "example.org", Nothing},
		{"no p, but reports, and it passes", "example.org: v=DMARC1; rua=mailto:d@example.org", "example.org", "", "example.org", Pass, "example.org", Nothing},
		{"no p, but sp and reports", "example.org: v=DMARC1; sp=reject; rua=mailto:d@example.org\nsub.example.org. A 127.0.0.1", "sub.example.org", "", "", Fail, "example.org", Nothing},
		{"no p and no reports", "example.org: v=DMARC1; sp=reject; np=reject\nsub.example.org. A 127.0.0.1", "sub.example.org", "", "", None, "", Nothing},
		{"no p is no reason to look further", "sub.example.org: v=DMARC1; adkim=s\nexample.org: v=DMARC1; p=reject", "sub.example.org", "", "", None, "", Nothing},
		{"no record", "example.org. A 127.0.0.1", "example.org", "", "example.org", None, "", Nothing},
		{"a record below does not count", "sub.example.org: v=DMARC1; p=reject", "example.org", "", "", None, "", Nothing},
		{"two records", "example.com: v=DMARC1; p=reject\nexample.com: v=DMARC1; p=none", "example.com", "", "", None, "", Nothing},
		{"two records, and one further up", "a.example.com: v=DMARC1; p=none\na.example.com: v=DMARC1; p=none; psd=n\nexample.com: v=DMARC1; p=reject", "a.example.com", "", "", Fail, "example.com", Reject},
		{"two records, one of another version", "example.com: v=DMARC1; p=reject\nexample.com: v=DMARC2; p=none", "example.com", "", "", Fail, "example.com", Reject},
		{"two texts, neither a record", "a.example.com: text\na.example.com: more\nexample.com: v=DMARC1; p=quarantine", "a.example.com", "", "", Fail, "example.com", Quarantine},
		{"several strings are one", "_dmarc.example.com. TXT \"v=DMARC1; p=re\" \"ject\"", "example.com", "", "", Fail, "example.com", Reject},
		{"psd=n before the record further up", "b.example.com: v=DMARC1; p=reject; psd=n\nexample.com: v=DMARC1; p=none", "a.b.example.com", "", "", Fail, "b.example.com", Reject},
		{"the organization before what lies between", "b.example.com: v=DMARC1; p=none\nexample.com: v=DMARC1; p=reject", "a.b.example.com", "", "", Fail, "example.com", Reject},
		{"the organization before its suffix", "example: v=DMARC1; p=reject; psd=y\nfoo.example: v=DMARC1; p=none", "foo.example", "", "", Fail, "foo.example", Nothing},
		{"the organization before its suffix, from below", "example: v=DMARC1; p=reject; psd=y\nfoo.example: v=DMARC1; p=quarantine", "a.b.foo.example", "", "", Fail, "foo.example", Quarantine},
		{"the suffix, without an organization's", "example: v=DMARC1; p=none; sp=reject; psd=y\nfoo.example. A 127.0.0.1", "foo.example", "", "", Fail, "example", Reject},
		{"the suffix before what lies between", "example: v=DMARC1; p=reject; psd=y\na.foo.example: v=DMARC1; p=none", "b.a.foo.example", "", "", Fail, "example", Reject},
		{"a name of one label", "example: v=DMARC1; p=reject; psd=y", "example", "", "example", Pass, "example", Nothing},
		{"an address", "example.com: v=DMARC1; p=reject", "[192.0.2.1]", "", "", None, "", Nothing},
		{"a name too long for _dmarc", "test: v=DMARC1; p=reject", strings.Repeat("a.", 124) + "test", "", "", Fail, "test", Reject},
		{"5.1.8 a zone cut out of reach", cut, "mail.a.b.c.d.e.f.g.example.com", "", "", Fail, "example.com", Nothing},
		{"5.1.8 a zone cut within reach", cut, "b.c.d.e.f.g.example.com", "", "", Fail, "b.c.d.e.f.g.example.com", Reject},
		{"5.1.8 the author's own", cut + "\nmail.a.b.c.d.e.f.g.example.com: v=DMARC1; p=quarantine", "mail.a.b.c.d.e.f.g.example.com", "", "", Fail, "mail.a.b.c.d.e.f.g.example.com", Quarantine},
		{"B.2.3", "example.com: " + report, "example.com", "", "", Fail, "example.com", Nothing},
		{"B.2.3 the third party", "example.com._report._dmarc.thirdparty.example.net. TXT \"v=DMARC1;\"", "thirdparty.example.net", "", "", None, "", Nothing},
		{"B.2.4 the third party", "thirdparty.example.net: v=DMARC1; rua=mailto:aggregate-reports@thirdparty.example.net; ruf=mailto:failure-reports@thirdparty.example.net", "thirdparty.example.net", "", "", Fail, "thirdparty.example.net", Nothing},
	})
}

// TestRecords is RFC 9989 4.7 and 4.8: what is read out of a record, and what is passed over.
func TestRecords(t *testing.T) {
	t.Parallel()
	const feedback = "rua=mailto:dmarc-feedback@example.com"
	for text, want := range map[string]Record{
		"v=DMARC1": {PublicSuffix: 'u', broken: true}, "v=DMARC1;": {PublicSuffix: 'u', broken: true},
		"v=DMARC1; p=none; " + feedback:                                            {Policy: Nothing, PublicSuffix: 'u', Reports: true},
		"v=DMARC1; p=none; " + feedback + ";ruf=mailto:auth-reports@example.com":   {Policy: Nothing, PublicSuffix: 'u', Reports: true},
		"v=DMARC1; p=none; ruf=mailto:auth-reports@example.com":                    {Policy: Nothing, PublicSuffix: 'u'},
		"v=DMARC1; p=quarantine; " + feedback + ",mailto:x@y.z!10m;pct=25;fo=d:s":  {Policy: Quarantine, PublicSuffix: 'u', Reports: true},
		"v=DMARC1; p=reject; sp=quarantine; np=None; aspf=s; adkim=s; fo = 1":      {Policy: Reject, Subdomains: Quarantine, NonExistent: Nothing, StrictSPF: true, StrictDKIM: true, PublicSuffix: 'u'},
		"v=DMARC1; p=reject; ri = 3600; aspf=r; adkim =r; ignore_me= true; rf = x": {Policy: Reject, PublicSuffix: 'u'},
		"v=DMARC1; p=quarantine; fo=s:d; t=y; psd=y;;":                             {Policy: Quarantine, Testing: true, PublicSuffix: 'y'},
		"v=DMARC1; p=reject; t=Y; psd=N; ASPF=S":                                   {Policy: Reject, Testing: true, PublicSuffix: 'n', StrictSPF: true},
		"v=DMARC1; p=reject; t=x; psd=x; aspf=x; adkim=":                           {Policy: Reject, PublicSuffix: 'u'},
		"v=DMARC1; p=reject; pct=abc; ri=abc; rf=abc; fo=x; xyz=foo; p2":           {Policy: Reject, PublicSuffix: 'u'},
		"v=DMARC1; sp=none; np=reject; p=reject":                                   {Policy: Reject, Subdomains: Nothing, NonExistent: Reject, PublicSuffix: 'u'},
		"v=DMARC1;p=ReJect":                                                        {Policy: Reject, PublicSuffix: 'u'},
		"V=DMARC1; P=reject":                                                       {Policy: Reject, PublicSuffix: 'u'},
		"v=DMARC1; p=reject; p=none; v=DMARC2; psd=n; psd=y":                       {Policy: Reject, PublicSuffix: 'n'},
		"v=DMARC1; p":                             {PublicSuffix: 'u', broken: true},
		"v=DMARC1; p=foo; " + feedback:            {PublicSuffix: 'u', Reports: true, broken: true},
		"v=DMARC1; p=none reject":                 {PublicSuffix: 'u', broken: true},
		"v=DMARC1; p=reject; np=":                 {Policy: Reject, PublicSuffix: 'u', broken: true},
		"v=DMARC1; rua=__":                        {PublicSuffix: 'u', broken: true},
		"v=DMARC1; rua=r@a.test":                  {PublicSuffix: 'u', broken: true},
		"v=DMARC1; rua=mailto:":                   {PublicSuffix: 'u', broken: true},
		"v=DMARC1; rua=mailto:r@ü.test":           {PublicSuffix: 'u', broken: true},
		"v=DMARC1; rua=mailto:<r@a.test>":         {PublicSuffix: 'u', broken: true},
		"v=DMARC1; rua=,x , HTTPS://A.test/%20?b": {PublicSuffix: 'u', Reports: true, broken: true},
	} {
		if got, ok := ParseRecord(text); !ok || got != want {
			t.Errorf("%q: %+v, %v, want %+v", text, got, ok, want)
		}
	}
	for _, text := range []string{"v=DMARC1x; p=reject", "v=DMARC 1; p=reject", "v=DMARC1, p=reject", "vv=DMARC1; p=reject", "v DMARC1; p=reject", "; v=DMARC1; p=reject", "v=; p=reject", "v=spf1 -all"} {
		if got, ok := ParseRecord(text); ok {
			t.Errorf("%q is taken: %+v", text, got)
		}
	}
}
