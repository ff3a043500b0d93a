// SPDX-License-Identifier: MIT

package dkim

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"posthouse/mail"
	"posthouse/table"
)

func TestTables(t *testing.T) {
	t.Parallel()
	const keys = "ipng ipng.test:s1:one\ned ipng.test:s2:ed\nany %:any:./ed\nyear IPNG.test:2026:ed\nper %:s3:keys/%\n"
	for _, c := range []struct {
		name, signers, from string
		all                 bool
		want                string // d=/s=/i= of each
		err                 error
	}{
		{"wildcard", "*@*.ipng.test ipng\n*@ipng.test ed\n", "pim@ipng.test", false, "ipng.test/s2/", nil},
		{"subdomain", "*@*.ipng.test ipng\n*@ipng.test ed\n", "pim@a.b.ipng.test", false, "ipng.test/s1/", nil},
		{"case", "*@IPNG.test ed\n", "Pim@ipng.TEST", false, "ipng.test/s2/", nil},
		{"first only", "*@ipng.test ipng\n*@ipng.test ed\n", "pim@ipng.test", false, "ipng.test/s1/", nil},
		{"all", "*@ipng.test ipng\n*@ipng.test ed\n", "pim@ipng.test", true, "ipng.test/s1/ ipng.test/s2/", nil},
		{"numbered selector", "*@*.ipng.test year @%\n", "pim@a.ipng.test", false, "ipng.test/2026/@a.ipng.test", nil},
		{"none", "*@ipng.test ipng\n", "pim@other.test", true, "", nil},
		{"sender's domain", "*@* any\n", "pim@other.test", false, "other.test/any/", nil},
		{"identity", "*@*.ipng.test ipng @%\n", "pim@a.ipng.test", false, "ipng.test/s1/@a.ipng.test", nil},
		{"conflicting identity", "*@* ipng @%\n", "pim@other.test", false, "ipng.test/s1/", nil},
		{"no such key file", "*@* per\n", "pim@other.test", false, "", ErrKey},
		{"named by the domain", "*@* %\n", "pim@other.test", false, "", ErrKey},
	} {
		config, dir := cluster(t, c.signers, keys)
		config.MultipleSignatures = c.all
		checkTables(t, c.name, config, dir, c.from, c.want, c.err)
	}
}

func checkTables(t *testing.T, name string, c Config, dir, from, want string, wantErr error) {
	t.Helper()
	s, err := Open(c, dir)
	if err != nil {
		t.Errorf("%s: %v", name, err)
		return
	}
	fields, err := s.Sign(t.Context(), message(t, strings.Replace(text, "pim@ipng.test", from, 1)))
	var got []string
	for _, f := range fields {
		tags := tagList(f.Value())
		got = append(got, tags["d"]+"/"+tags["s"]+"/"+tags["i"])
	}
	if strings.Join(got, " ") != want || !errors.Is(err, wantErr) {
		t.Errorf("%s: %q, %v; want %q, %v", name, got, err, want, wantErr)
	}
}

// TestExactTable has OpenDKIM's order for tables that are no refile.
func TestExactTable(t *testing.T) {
	t.Parallel()
	rows := "pim@a.ipng.test k1\na.ipng.test k2\npim@.ipng.test k3\n.ipng.test k4\npim@* k5\n* k6\n"
	view, err := table.Parse("file", "signers", strings.NewReader(rows))
	if err != nil {
		t.Fatal(err)
	}
	s := signingTable{view: view}
	for address, want := range map[string]string{
		"pim@a.ipng.test": "k1 k2 k3 k4 k5 k6", "x@a.ipng.test": "k2 k4 k6", "pim@b.ipng.test": "k3 k4 k5 k6", "x@y.test": "k6", "pim@y.test": "k5 k6",
	} {
		p, err := mail.ParseAddress(address)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, u := range s.uses(p, true) {
			got = append(got, u.name)
		}
		if strings.Join(got, " ") != want || len(s.uses(p, false)) != 1 {
			t.Errorf("%s: %q; want %s", address, got, want)
		}
	}
}

func TestOpenErrors(t *testing.T) {
	t.Parallel()
	for _, c := range [][3]string{
		{"*@a.test k\n", "other a.test:s:one\n", `signers:1: no key "k" in the key table`},
		{"*@a.test k\n", "k a.test:s\n", `keytable:1: key "k": the format is`},
		{"*@a.test k\n", "k a.test:s:broken\n", "broken: not a private key"},
		{"*@a.test k\n", "k a.test:s:missing\n", "missing: no such file"},
		{"*@a.test k\n", "k a..test:s:one\n", `"a..test" is no name for the DNS`},
		{"*@a.test\n", "k a.test:s:one\n", "no value"},
	} {
		config, dir := cluster(t, c[0], c[1])
		if _, err := Open(config, dir); err == nil || !strings.Contains(err.Error(), c[2]) {
			t.Errorf("%q, %q: %v; want %q", c[0], c[1], err, c[2])
		}
	}
}

func TestReload(t *testing.T) {
	t.Parallel()
	config, dir := cluster(t, "*@ipng.test k\n", "k ipng.test:s1:loose\n")
	s, err := Open(config, dir)
	if err != nil {
		t.Fatal(err)
	}
	if w := s.Warnings(); len(w) != 1 || !strings.Contains(w[0], "mode 0604") {
		t.Errorf("warnings %q", w)
	}
	set := func(keys string) {
		if err := os.WriteFile(filepath.Join(dir, "keytable"), []byte(keys), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	selector := func() string {
		fields, err := s.Sign(t.Context(), message(t, text))
		if err != nil || len(fields) != 1 {
			t.Fatalf("%q, %v", fields, err)
		}
		return tagList(fields[0].Value())["s"]
	}
	set("k ipng.test:s2:broken\n")
	if _, err := s.Reload(); err == nil || selector() != "s1" {
		t.Errorf("broken key: %v, selector %s", err, selector())
	}
	if changed, err := s.Reload(); changed || err == nil {
		t.Errorf("broken a second time: %v, %v", changed, err)
	}
	set("k ipng.test:s3:ed\n")
	if changed, err := s.Reload(); !changed || err != nil || selector() != "s3" || len(s.Warnings()) != 0 {
		t.Errorf("%v, %v, selector %s, %q", changed, err, selector(), s.Warnings())
	}
}

// TestKeyChanges has a key replaced in its place.
func TestKeyChanges(t *testing.T) {
	t.Parallel()
	config, dir := cluster(t, "*@ipng.test k\n", "k ipng.test:s1:ed\n")
	s, err := Open(config, dir)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "ed")
	if !slices.Contains(s.Paths(), file) {
		t.Errorf("watches %q", s.Paths())
	}
	if changed, err := s.Reload(); changed || err != nil {
		t.Errorf("nothing new: %v, %v", changed, err)
	}
	key := generated(t, "ed25519")
	if err := os.WriteFile(file, key, 0o600); err != nil {
		t.Fatal(err)
	}
	if changed, err := s.Reload(); !changed || err != nil {
		t.Errorf("a new key: %v, %v", changed, err)
	}
	m := message(t, text)
	fields, err := s.Sign(t.Context(), m)
	if err != nil {
		t.Fatal(err)
	}
	m.Header.Prepend(fields...)
	record, _ := Record(key)
	if got := Verify(t.Context(), m, zone(map[string]string{"s1._domainkey.ipng.test": record})); got[0].Status != Pass {
		t.Errorf("%+v", got)
	}
}

func FuzzKeyTable(f *testing.F) {
	f.Add("k a.test:s:-----BEGIN PRIVATE KEY-----\n")
	f.Add("k %:%:keys/%/private\nl a.test:2026:MIIE\n")
	f.Fuzz(func(t *testing.T, text string) {
		view, err := table.Parse("file", "keytable", strings.NewReader(text))
		if err != nil || strings.Contains(text, "/") {
			return // files are left to the tables
		}
		keys, err := readKeyTable(view, t.TempDir())
		if err != nil {
			return
		}
		for name, line := range keys.lines {
			if s, err := keys.find(use{name: name, identity: "@x.test"}, "x.test"); err == nil && (s.key == nil || line.domain == "") {
				t.Errorf("%s: %+v", name, s)
			}
		}
	})
}
