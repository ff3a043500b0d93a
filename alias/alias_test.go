// SPDX-License-Identifier: MIT

package alias

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"posthouse/mail"
	"posthouse/table"
)

func open(t testing.TB, ref string) *table.Table {
	t.Helper()
	if ref == "" {
		return nil
	}
	tab, err := table.Open(table.MustRef(ref), "testdata")
	if err != nil {
		t.Fatal(err)
	}
	return tab
}

// lines is a table with that text, called "virtual".
func lines(t testing.TB, text string) *table.Table {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "virtual"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	tab, err := table.Open(table.MustRef("virtual"), dir)
	if err != nil {
		t.Fatal(err)
	}
	return tab
}

func path(t testing.TB, s string) mail.Path {
	t.Helper()
	p, err := mail.ParseAddress(s)
	if err != nil {
		t.Fatalf("%s: %v", s, err)
	}
	return p
}

// show writes a result as one line: targets, then dead ones with !, then the discard.
func show(r Result) string {
	var out []string
	for _, t := range r.Targets {
		out = append(out, t.To.String())
	}
	for _, d := range r.Dead {
		out = append(out, "!"+d.To.String())
	}
	if r.Discarded {
		out = append(out, "/dev/null")
	}
	return strings.Join(out, " ")
}

func check(t *testing.T, s *Snapshot, cases map[string]string) {
	t.Helper()
	for address, want := range cases {
		r, err := s.Expand(path(t, address))
		if got := show(r); err != nil || got != want {
			t.Errorf("%s: %q, %v; want %q", address, got, err, want)
		}
	}
}

// TestIPng expands the tables of the example cluster.
func TestIPng(t *testing.T) {
	t.Parallel()
	in := New(Options{Maps: open(t, "virtual"), Domains: open(t, "virtual-domains"), Delimiter: "+"}).Snapshot()
	check(t, in, map[string]string{
		"pim@ipng.ch":            "pim+ipng@maildrop.net.ipng.ch",
		"PIM@ipng.ch":            "pim+ipng@maildrop.net.ipng.ch",
		"pim+list@ipng.ch":       "pim+ipng+list@maildrop.net.ipng.ch",
		"pim@ipng.nl":            "pim+ipng@maildrop.net.ipng.ch",
		"pim+list@ipng.nl":       "pim+ipng+list@maildrop.net.ipng.ch",
		"nobody@ipng.nl":         "!nobody@ipng.ch",
		"nobody@ipng.ch":         "!nobody@ipng.ch",
		"noreply@ipng.ch":        "/dev/null",
		"noreply+x@ipng.nl":      "/dev/null",
		"noc@frys-ix.net":        "pim+frysix@maildrop.net.ipng.ch noc@eritap.com",
		"noc+x@frys-ix.net":      "pim+frysix+x@maildrop.net.ipng.ch noc+x@eritap.com",
		"postmaster@ublog.tech":  "pim+ublog@maildrop.net.ipng.ch",
		"somebody@elsewhere.net": "somebody@elsewhere.net",
	})
	if problems := append(in.DeadEnds(), in.Postmasters()...); len(problems) > 0 {
		t.Errorf("problems: %q", problems)
	}
	drop := New(Options{
		Maps: open(t, "virtual-maildrop"), Mailboxes: open(t, "inline:{maildrop.net.ipng.ch=x}"), Delimiter: "+",
		Domains: open(t, "inline:{none.invalid=x}"),
	}).Snapshot()
	for address, want := range map[string]Kind{
		"pim@maildrop.net.ipng.ch": User, "pim+ipng@maildrop.net.ipng.ch": User, "paul@maildrop.net.ipng.ch": Mailbox, "a@b.test": Foreign,
	} {
		r, err := drop.Expand(path(t, address))
		if err != nil || show(r) != address || r.Targets[0].Kind != want {
			t.Errorf("%s: %+v, %v", address, r, err)
		}
	}
}

func TestVirtual(t *testing.T) {
	t.Parallel()
	s := New(Options{
		Maps: lines(t, `
full+ext@a.test     with@b.test
full@a.test         without@b.test
@a.test             all@b.test
two@a.test          one@a.test, two@b.test  three@b.test,one@a.test
one@a.test          one@b.test
self@a.test         self@a.test, copy@b.test
here@c.test         here@c.test copy@b.test
user@a.test         pim
chain@a.test        c1@c.test
c1@c.test           c2@c.test
c2@c.test           end@b.test
half@a.test         /dev/null, half@b.test, dead@alias.test
quoted@a.test       "a b"@b.test,"c,d"@b.test
brackets@a.test     <x@b.test>
bad@a.test          x@@b.test ok@b.test
"sp ace"@a.test     found@b.test
long@a.test         abcdefghijklmnopqrstuvwxyz
case@a.test         Copy@b.test copy@b.test COPY@B.test
known@alias.test    known@b.test
bare@alias.test     pim
@from.test          @to.test
@to.test            @b.test
mid@foreign.test    changed@b.test
postmaster          pm@b.test
`), Domains: open(t, "inline:{alias.test=x, from.test=x, to.test=x}"), Mailboxes: open(t, "inline:{a.test=x}"), Delimiter: "+-",
		Local: func(d string) bool { return d == "host.test" }, Postmaster: "host.test",
	}).Snapshot()
	check(t, s, map[string]string{
		"full+ext@a.test":        "with@b.test",
		"full+other@a.test":      "without+other@b.test",
		"full-other@a.test":      "without-other@b.test",
		"full@a.test":            "without@b.test",
		"unlisted+x@a.test":      "all@b.test", // a catch-all drops the extension, as in Postfix
		"+x@a.test":              "all@b.test",
		"two@a.test":             "one@b.test two@b.test three@b.test",
		"self@a.test":            "self@a.test copy@b.test",
		"here@c.test":            "here@c.test copy@b.test",
		"user@a.test":            "pim@a.test",
		"user+x@a.test":          "pim+x@a.test",
		"chain+x@a.test":         "end+x@b.test",
		"half+x@a.test":          "half+x@b.test !dead+x@alias.test /dev/null",
		"quoted@a.test":          `"a b"@b.test "c,d"@b.test`,
		"brackets@a.test":        "x@b.test",
		"bad@a.test":             "ok@b.test !",
		`"sp ace"@a.test`:        "found@b.test",
		"case@a.test":            "Copy@b.test",
		"known@alias.test":       "known@b.test",
		"unknown@alias.test":     "!unknown@alias.test",
		"bare@alias.test":        "!pim@alias.test",
		"x+y@from.test":          "x+y@b.test",
		"mid@foreign.test":       "changed@b.test", // aliases count in every domain
		"postmaster@host.test":   "pm@b.test",
		"postmaster+x@host.test": "pm+x@b.test",
		"postmaster@b.test":      "postmaster@b.test",
	})
	bare, err := mail.ParsePath("<postmaster>", false)
	if err != nil {
		t.Fatal(err)
	}
	if r, err := s.Expand(bare); err != nil || show(r) != "pm@b.test" {
		t.Errorf("<postmaster>: %s, %v", show(r), err)
	}
}

func TestSteps(t *testing.T) {
	t.Parallel()
	s := New(Options{Maps: lines(t, "a@x.test b@x.test,/dev/null\nb@x.test c@y.test\n"), Delimiter: "+"}).Snapshot()
	r, err := s.Expand(path(t, "a+e@x.test"))
	if err != nil || len(r.Targets) != 1 || len(r.Discards) != 1 {
		t.Fatalf("%+v, %v", r, err)
	}
	want := []string{"virtual:1: a+e@x.test -> b+e@x.test", "virtual:2: b+e@x.test -> c+e@y.test"}
	if got := r.Targets[0].Steps; !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
	if got := r.Discards[0].Steps; !slices.Equal(got, []string{"virtual:1: a+e@x.test -> /dev/null"}) {
		t.Errorf("%q", got)
	}
}

func TestPatterns(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "re"), []byte("/^(.*)@x\\.test$/ $1@y.test\n/^x\\.test$/ wrong@y.test\n/^@/ wrong@y.test\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	tab, err := table.Open(table.MustRef("regexp:re"), dir)
	if err != nil {
		t.Fatal(err)
	}
	s := New(Options{Maps: tab, Delimiter: "+"}).Snapshot()
	check(t, s, map[string]string{
		"a+b@x.test": "a+b@y.test", "a@z.test": "a@z.test",
		`"a evil@c.test b"@x.test`: `"a evil@c.test b"@y.test`, `"a,evil@c.test,b"@x.test`: `"a,evil@c.test,b"@y.test`,
		`"evil@c.test"@x.test`: `"evil@c.test"@y.test`, `"a\" evil@c.test \"b"@x.test`: `"a\" evil@c.test \"b"@y.test`,
	})
}

func TestFaults(t *testing.T) {
	t.Parallel()
	var long, wide strings.Builder
	for i := range 200 {
		fmt.Fprintf(&long, "a%d@x.test a%d@x.test\n", i, i+1)
	}
	wide.WriteString("a0@x.test")
	for i := range 1500 {
		fmt.Fprintf(&wide, " b%d@y.test", i)
	}
	for name, c := range map[string]struct {
		text string
		err  error
	}{
		"circle of two":  {"a0@x.test b@x.test\nb@x.test a0@x.test\n", ErrLoop},
		"circle beside":  {"a0@x.test a0@x.test b@x.test\nb@x.test c@x.test\nc@x.test b@x.test\n", ErrLoop},
		"domain circle":  {"@x.test @y.test\n@y.test @x.test\n", ErrLoop},
		"growing":        {"a0@x.test a0+x@x.test\n", ErrLimit},
		"too deep":       {long.String(), ErrLimit},
		"too wide":       {wide.String() + "\n", ErrLimit},
		"back to self":   {"a0@x.test a0@x.test b@x.test\nb@x.test a0@x.test\n", nil},
		"itself in case": {"a0@x.test A0@x.test\n", nil},
		"diamond":        {"a0@x.test b@x.test c@x.test\nb@x.test d@x.test\nc@x.test d@x.test\n", nil},
	} {
		s := New(Options{Maps: lines(t, c.text), Delimiter: "+"}).Snapshot()
		if r, err := s.Expand(path(t, "a0@x.test")); !errors.Is(err, c.err) {
			t.Errorf("%s: %s, %v; want %v", name, show(r), err, c.err)
		}
	}
}

func TestCheck(t *testing.T) {
	t.Parallel()
	s := New(Options{
		Maps: lines(t, `good@a.test      x@elsewhere.test
dead@a.test      gone@a.test, x@elsewhere.test
via@a.test       dead@a.test
l1@a.test        l2@a.test
l2@a.test        l1@a.test
typo@a.test      x@@b.test
postmaster@a.test good@a.test
@c.test          nowhere@a.test
`), Domains: open(t, "inline:{a.test=x, b.test=x}"), Delimiter: "+",
	}).Snapshot()
	got := append(s.DeadEnds(), s.Postmasters()...)
	for _, want := range []string{
		"virtual:2: dead@a.test -> gone@a.test: no alias",
		"virtual:4: alias l1@a.test: alias loop",
		"virtual:5: alias l2@a.test: alias loop",
		"virtual:6: typo@a.test -> x@@b.test: ",
		"inline: nobody gets mail for postmaster@b.test",
	} {
		if !slices.ContainsFunc(got, func(s string) bool { return strings.HasPrefix(s, want) }) {
			t.Errorf("missing %q", want)
		}
	}
	if len(got) != 5 {
		t.Errorf("%d complaints: %q", len(got), got)
	}
}

// TestDomains has the default of virtual_alias_domains: domains that are keys of the alias table.
func TestDomains(t *testing.T) {
	t.Parallel()
	s := New(Options{Maps: lines(t, "a.test anything\nx@a.test y@b.test\n")}).Snapshot()
	if !s.IsAlias("a.test") || s.IsAlias("b.test") || s.IsMailbox("a.test") || !s.IsOurs("a.test") {
		t.Error("domains")
	}
	check(t, s, map[string]string{"x@a.test": "y@b.test", "z@a.test": "!z@a.test"})
	check(t, New(Options{}).Snapshot(), map[string]string{"x@a.test": "x@a.test"})
}

// TestSnapshot shows that a snapshot stays as it was when the table changes.
func TestSnapshot(t *testing.T) {
	t.Parallel()
	tab := lines(t, "x@a.test old@b.test\n")
	e := New(Options{Maps: tab})
	before := e.Snapshot()
	if err := os.WriteFile(tab.Paths()[0], []byte("x@a.test new@b.test\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if changed, err := tab.Reload(); !changed || err != nil {
		t.Fatal(changed, err)
	}
	check(t, before, map[string]string{"x@a.test": "old@b.test"})
	check(t, e.Snapshot(), map[string]string{"x@a.test": "new@b.test"})
}

func FuzzExpand(f *testing.F) {
	f.Add("a@x.test b@x.test, pim, /dev/null, @y.test, \"q q\"@z.test\nb@x.test a@x.test\n", "a+b@x.test")
	f.Add("@x.test @x.test\n", "a@x.test")
	f.Fuzz(func(t *testing.T, text, address string) {
		to, err := mail.ParseAddress(address)
		if err != nil {
			return
		}
		view, err := table.Parse("hash", "virtual", strings.NewReader(text))
		if err != nil {
			return
		}
		s := &Snapshot{o: Options{Delimiter: "+"}, maps: view}
		r, err := s.Expand(to)
		if err == nil && r.Unknown() && len(r.Dead) == 0 && !strings.ContainsAny(text, ", \t") {
			t.Errorf("%s went nowhere", to)
		}
		s.DeadEnds()
		s.Postmasters()
	})
}
