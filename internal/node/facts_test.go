// SPDX-License-Identifier: MIT

package node

import (
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"posthouse/mail"
	"posthouse/policy"
	"posthouse/resolver"
	"posthouse/table"
)

func TestFactsOfNames(t *testing.T) {
	t.Parallel()
	z, err := resolver.ParseZone(`a.test. MX 10 mx.a.test.
a.test. NS ns.a.test.
mx.a.test. A 192.0.2.1
null.test. MX 0 .
1.2.0.192.in-addr.arpa. PTR mx.a.test.
`)
	if err != nil {
		t.Fatal(err)
	}
	f := &facts{Resolver: z}
	for domain, want := range map[string]error{"a.test": nil, "mx.a.test": nil, "null.test": policy.ErrNullMX} {
		if ok, err := f.Resolves(t.Context(), domain); ok != (want == nil) || !errors.Is(err, want) {
			t.Errorf("%s: %v, %v", domain, ok, err)
		}
	}
	if ok, err := f.Resolves(t.Context(), "none.test"); ok || err != nil {
		t.Errorf("a name that is not there: %v, %v", ok, err)
	}
	for kind, want := range map[string]string{"MX": "mx.a.test", "NS": "ns.a.test"} {
		if hosts, err := f.Servers(t.Context(), kind, "a.test"); err != nil || !slices.Equal(hosts, []string{want}) {
			t.Errorf("%s: %q, %v", kind, hosts, err)
		}
		if hosts, err := f.Servers(t.Context(), kind, "mx.a.test"); err != nil || len(hosts) != 0 {
			t.Errorf("no %s: %q, %v", kind, hosts, err)
		}
	}
	if _, err := f.Servers(t.Context(), "MX", "null.test"); !errors.Is(err, policy.ErrNullMX) {
		t.Errorf("null MX: %v", err)
	}
	for addr, want := range map[string]int{"192.0.2.1:1": 1, "192.0.2.2:1": 0} {
		if names, err := f.Names(t.Context(), &mail.Client{Addr: netip.MustParseAddrPort(addr)}); err != nil || len(names) != want {
			t.Errorf("%s: %q, %v", addr, names, err)
		}
	}
}

// A pattern is asked about whole keys alone.
func TestFactsOfTables(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write(t, dir, "patterns", "/test/ REJECT\n")
	f := &facts{tables: map[string]*table.Table{}}
	for _, name := range []string{"regexp:patterns", "inline:{a.test=REJECT}"} {
		var err error
		if f.tables[name], err = table.Open(table.MustRef(name), dir); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		table string
		whole bool
		want  bool
	}{{"regexp:patterns", true, true}, {"regexp:patterns", false, false}, {"inline:{a.test=REJECT}", false, true}, {"inline:{a.test=REJECT}", true, true}, {"hash:none", true, false}} {
		if _, _, found := f.Access(c.table, "a.test", c.whole); found != c.want {
			t.Errorf("%+v: %v", c, found)
		}
	}
}

func TestGateAllows(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write(t, dir, "allow", "192.0.2.0/24 permit\n198.51.100.0/24 reject\n")
	list := table.Ref{}
	if err := list.UnmarshalList([]string{"192.0.2.0/24", "2001:db8::/32", "203.0.113.7"}); err != nil {
		t.Fatal(err)
	}
	for ref, cases := range map[*table.Ref]map[string]bool{
		&list:                            {"192.0.2.7": true, "::ffff:192.0.2.7": true, "2001:db8::1": true, "203.0.113.7": true, "203.0.113.8": false, "2001:db9::1": false},
		ptr(table.MustRef("cidr:allow")): {"192.0.2.7": true, "198.51.100.1": false, "203.0.113.7": false},
	} {
		opened, err := table.Open(*ref, dir)
		if err != nil {
			t.Fatal(err)
		}
		for addr, want := range cases {
			if got := listsAddress(opened.View(), netip.MustParseAddr(addr)); got != want {
				t.Errorf("%s: %s: %v", ref, addr, got)
			}
		}
	}
}

func ptr[T any](v T) *T { return &v }

// What the greylist has learnt outlives a reload, is looked at by explain without a trace, and lies in the service's folder.
func TestGreylistStays(t *testing.T) {
	t.Parallel()
	dir := smallCluster(t)
	change := []string{"  virtual_alias_domains", "  greylist: {delay: 1h}\n  recipient_restrictions: [check_greylist]\n  virtual_alias_domains"}
	write(t, dir, "posthouse.yaml", strings.NewReplacer(change...).Replace(small))
	r := run(t, dir, SMTPIn)
	c, _, err := Load(filepath.Join(dir, "posthouse.yaml"), "")
	if err != nil {
		t.Fatal(err)
	}
	from, _ := mail.ParseAddress("a@client.test")
	to, _ := mail.ParseAddress("postmaster@example.test")
	seen := func(want string) {
		t.Helper()
		e, _, err := c.Explain(t.Context(), Case{Client: netip.MustParseAddr("127.0.0.1"), HELO: "client.test", From: from, To: []mail.Path{to}})
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range e.Steps {
			if s.Asked == "greylist" && s.Answer != want {
				t.Errorf("the greylist says %q, want %q", s.Answer, want)
			}
		}
	}
	seen("new")
	seen("new")
	p, _ := r.dial(t, "smtp-in")
	p.ask("EHLO client.test")
	p.ask("MAIL FROM:<a@client.test>")
	if got := p.ask("RCPT TO:<postmaster@example.test>"); !strings.HasPrefix(got, "450 4.2.0") {
		t.Fatal(got)
	}
	seen("too early")
	if line := r.reload(t); !strings.Contains(line, "reloaded") {
		t.Fatal(line)
	}
	seen("too early")
	if _, err := os.Stat(filepath.Join(c.dirOf(SMTPIn), "greylist")); err != nil {
		t.Error(err)
	}
}
