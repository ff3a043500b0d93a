// SPDX-License-Identifier: MIT

package table

import (
	"bytes"
	"strings"
	"testing"

	"posthouse/config"
)

func TestRef(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ text, kind, rest, err string }{
		{"virtual", "hash", "virtual", ""},
		{"/etc/postfix/virtual.db", "hash", "/etc/postfix/virtual", ""},
		{"hash:/etc/a", "hash", "/etc/a", ""},
		{"lmdb:a", "lmdb", "a", ""},
		{"/a:b", "hash", "/a:b", ""},
		{"./regexp:b", "hash", "./regexp:b", ""},
		{"static:{ a b }", "static", "a b", ""},
		{"ldap:x", "", "", `"ldap" is no kind of table; there are btree, cdb, cidr, dbm, file, hash, inline, lmdb, pcre, refile, regexp, static, texthash`},
		{"", "", "", "is empty; it names a table"},
		{"hash: ", "", "", "is empty; it names a table"},
		{"inline:a=b", "", "", "an inline table stands in braces: inline:{key=value, {key = text with spaces}}"},
		{"inline:{a}", "", "", `inline entry "a": the format is key=value`},
		{"inline:{ }", "", "", "the inline table is empty"},
		{"inline:{{a=b}", "", "", "a brace is opened and not closed"},
	} {
		r, err := ParseRef(test.text)
		switch {
		case err != nil && err.Error() != test.err, err == nil && test.err != "":
			t.Errorf("%q: %v, want %s", test.text, err, test.err)
		case err == nil && (r.kind != test.kind || r.rest != test.rest || r.String() != test.text):
			t.Errorf("%q: %q %q %q", test.text, r.kind, r.rest, r)
		}
	}
}

func TestInline(t *testing.T) {
	t.Parallel()
	tab, err := Open(MustRef("inline:{A=1, b=2 {c d = {x}, y}\n,e=}"), "")
	if err != nil {
		t.Fatal(err)
	}
	for key, want := range map[string]string{"a": "1", "B": "2", "c d": "{x}, y", "e": ""} {
		if got, where, ok := tab.View().Lookup(key); got != want || !ok || where != "inline" {
			t.Errorf("%s: %q %q %v", key, got, where, ok)
		}
	}
}

func TestRefInTheClusterFile(t *testing.T) {
	t.Parallel()
	type section struct {
		Maps    Ref `yaml:"virtual_alias_maps"`
		Domains Ref `yaml:"virtual_mailbox_domains"`
		Many    Ref `yaml:"transport_maps"`
		None    Ref `yaml:"alias_maps"`
	}
	var s section
	text := "virtual_alias_maps: virtual\nvirtual_mailbox_domains: [A.test, b.test]\ntransport_maps: [\"hash:a\", \"cidr:b\"]\n"
	_, report := config.Parse("posthouse.yaml", []byte(text), &s)
	if err := report.Err(); err != nil {
		t.Fatal(err)
	}
	if !s.None.IsZero() || s.Domains.IsZero() || len(s.Many.parts) != 2 {
		t.Errorf("%+v", s)
	}
	domains, err := Open(s.Domains, "")
	if err != nil {
		t.Fatal(err)
	}
	if _, _, ok := domains.View().Lookup("a.TEST"); !ok {
		t.Error("a.test is not among the domains")
	}
	var shown bytes.Buffer
	if err := config.Show(&shown, s); err != nil || shown.String() != strings.Replace(text, "\"hash:a\", \"cidr:b\"", "hash:a, cidr:b", 1) {
		t.Errorf("shown as\n%s", &shown)
	}
	_, report = config.Parse("posthouse.yaml", []byte("transport_maps: [\"hash:a\", b]\n"), &s)
	if err := report.Err(); err == nil || !strings.Contains(err.Error(), "mixes words (b) with tables (hash:a); give every table its kind") {
		t.Errorf("mixed: %v", err)
	}
}

func TestDefaultKind(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{"signers": "refile", "hash:signers": "hash", "static:x": "static", "./a:b": "refile"} {
		if got := MustRef(text).Default("refile").kind; got != want {
			t.Errorf("%s: %s, want %s", text, got, want)
		}
	}
	if !(Ref{}).Default("refile").IsZero() {
		t.Error("no table became one")
	}
}
