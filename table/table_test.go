// SPDX-License-Identifier: MIT

package table

import (
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// look-ups against tables of each kind: key -> "value @where", "" for not found.
func TestLookup(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		kind, text string
		want       map[string]string
	}{
		{"hash", "# comment\n\nPostmaster@A.test  pim@b.test\n  # a comment amid\n\tnoc@b.test,\n\n  c@d.test\nx y\r\n" +
			"\"first last\"@a.test one two  \n\"a\\\"b\"@a.test quoted\nescaped\\ key v\n", map[string]string{
			"postmaster@a.test": "pim@b.test noc@b.test, c@d.test @t:3",
			"POSTMASTER@a.TEST": "pim@b.test noc@b.test, c@d.test @t:3",
			"first last@a.test": "one two @t:9",
			`a"b@a.test`:        "quoted @t:10",
			`escaped\ key`:      "v @t:11",
			"x":                 "y @t:8",
			"a.test":            "",
		}},
		{"hash", "a first\nA second\n", map[string]string{"a": "first @t:1"}},
		{"texthash", "É@a.test x", map[string]string{"é@a.test": "x @t:1"}},
		{"file", "# keytable\nname  domain:sel:key # old\n  other v#1\n", map[string]string{
			"name": "domain:sel:key @t:2", "other": "v#1 @t:3"}},
		{"regexp", "/^(.*)-owner@(.*)$/  $(2)+${1}@x.test cost$$5\n/a|ab|abc/  longest\n", map[string]string{
			"List-Owner@B.test": "B.test+List@x.test cost$5 @t:1", "zabcz": "longest @t:2", "b": ""}},
		{"regexp", "/(a|ab)(c|bcd)/ $1-$2\n", map[string]string{"abcd": "a-bcd @t:1"}},
		{"regexp", "/^abc$/i exact\n|x/y| slashes\n/a\\/b/ escaped\n/^q.z$/ dot\n/^m$/m multi\n", map[string]string{
			"abc": "exact @t:1", "ABC": "", "ax/yb": "slashes @t:2", "a/b": "escaped @t:3", "q\nz": "dot @t:4", "k\nm\nl": "multi @t:5"}},
		{"regexp", "!/^[[:alnum:].]+$/ odd\n/ok/ ok\n", map[string]string{"a-b": "odd @t:1", "ok": "ok @t:2", "none": ""}},
		{"regexp", "if /@a\\.test$/\n/^x@/ in a\nif !/^y/\n/./ in a, no y\nendif\n/^y@/ in a, y\nENDIF\n/^x@/ outside\n", map[string]string{
			"x@a.test": "in a @t:2", "z@a.test": "in a, no y @t:4", "y@a.test": "in a, y @t:6", "x@b.test": "outside @t:8", "y@b.test": ""}},
		{"pcre", "/^(?:a|ab)(.*?)c/  $1\n/^\\d+$/A digits\n/^(b+)/U $1\n", map[string]string{
			"abcc": "b @t:1", "123": "digits @t:2", "bbb": "b @t:3"}},
		{"pcre", "/b/A anchored\n/Q/i case\n", map[string]string{"bc": "anchored @t:1", "ab": "", "q": "", "Q": "case @t:2"}},
		{"cidr", "192.0.2.1 host\n192.0.2.0/24 $1 net\nif 10.0.0.0/8\n10.1.0.0/16 ten\nendif\n!172.16.0.0/12 other v4\n", map[string]string{
			"192.0.2.1": "host @t:1", "::ffff:192.0.2.9": "$1 net @t:2", "2001:db8::1": "", "10.1.2.3": "ten @t:4",
			"10.2.2.3": "other v4 @t:6", "172.16.0.1": "", "name": ""}},
		{"refile", "*@*.a.test first\n*@A.test  second # old\n*x*y* third\n", map[string]string{
			"p@mx.a.test": "first @t:1", "p@a.TEST": "second @t:2", "axbyc": "third @t:3", "yx": ""}},
	} {
		v, err := Parse(test.kind, "t", strings.NewReader(test.text))
		if err != nil {
			t.Errorf("%s: %v", test.kind, err)
			continue
		}
		for key, want := range test.want {
			got := ""
			if value, where, ok := v.Lookup(key); ok {
				got = value + " @" + where
			}
			if got != want {
				t.Errorf("%s: Lookup(%q) = %q, want %q in\n%s", test.kind, key, got, want, test.text)
			}
		}
	}
}

// Every line that is wrong is told, with its number and its text.
func TestWrongTables(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ kind, text, want string }{
		{"hash", " lead x\nkey\nalias: root\nname:\n\"open key\nok v\n", `
			t:1: the first line cannot begin with white space, which continues the line before
			     lead x
			t:2: no value behind the key: the format is $key value$
			    key
			t:3: the key ends in a colon: $key: value$ is the format of an aliases file, this one has $key value$
			    alias: root
			t:4: no value: the format is $key value$; $key: value$ is that of an aliases file
			    name:
			t:5: a quote (") is opened and not closed
			    "open key`},
		{"hash", "a\x00b", `
			t:1: is no text; give the table's source, not what postmap made of it`},
		{"regexp", "pattern x\n/open x\n/a/\n/a/q x\n/a/x y\n/(a)/ $2\n/(a)/ $x\n!/(a)/ $1\n/a\\1/ x\nendif\nif /a/ b\nif /c/\n", `
			t:1: a pattern stands between delimiters: /pattern/flags result
			    pattern x
			t:2: the pattern's closing / is missing
			    /open x
			t:3: no result behind the condition
			    /a/
			t:4: unknown flag 'q' behind the pattern; regexp has i, m and x
			    /a/q x
			t:5: flag x asks for a basic regular expression, which is not supported; write an extended one
			    /a/x y
			t:6: the result names $2, the pattern has 1 groups
			    /(a)/ $2
			t:7: behind $ stands the number of a group: $1, ${1} or $(1); $$ is a dollar sign
			    /(a)/ $x
			t:8: the result names $1, but a pattern that must not match has nothing to put there
			    !/(a)/ $1
			t:9: back-reference \1 is not supported: matching is linear in time (RE2)
			    /a\1/ x
			t:10: this endif has no if
			    endif
			t:11: nothing may stand behind the condition of an if: b
			    if /a/ b
			t:11: this if has no endif
			    if /a/ b
			t:12: this if has no endif
			    if /c/`},
		{"pcre", "/a/ ok\n/^(?!x)/ no\n/(?<=x)y/ no\n/(a)\\1/ no\n/a++/ no\n/(?>a)/ no\n/[/ no\n/a/x no\n", `
			t:2: look-around (?! is not supported: matching is linear in time (RE2)
			    /^(?!x)/ no
			t:3: look-around (?<= is not supported: matching is linear in time (RE2)
			    /(?<=x)y/ no
			t:4: back-reference \1 is not supported: matching is linear in time (RE2)
			    /(a)\1/ no
			t:5: ++ is not supported: a possessive or doubled repetition
			    /a++/ no
			t:6: the construct (?> is not supported by RE2
			    /(?>a)/ no
			t:7: bad pattern: missing closing ]: [
			    /[/ no
			t:8: flag x (white space in the pattern does not count) is not supported
			    /a/x no`},
		{"cidr", "10.1.0.0/8 x\nname y\n10.0.0.0/8\n", `
			t:1: 10.1.0.0/8 has bits set behind the prefix; the network is 10.0.0.0/8
			    10.1.0.0/8 x
			t:2: "name" is not a network; write it as 192.0.2.0/24 or 2001:db8::/32
			    name y
			t:3: no result behind the condition
			    10.0.0.0/8`},
		{"refile", "*@a.test\n", `
			t:1: no value behind the pattern: the format is $pattern value$
			    *@a.test`},
		{"ldap", "", `
			t: a table of kind "ldap" is not read from a file`},
		{"hash", "k " + strings.Repeat("v", maxLine) + "\n", `
			t:1: the entry is longer than 64 KiB
			    k ` + strings.Repeat("v", 115) + "..."},
		{"refile", strings.Repeat("* x\n", maxRules+1), `
			t:16385: more than 16384 entries
			    * x`},
	} {
		_, err := Parse(test.kind, "t", strings.NewReader(test.text))
		got := "no error"
		if err != nil {
			got = err.Error()
		}
		want := strings.ReplaceAll(strings.ReplaceAll(strings.TrimPrefix(test.want, "\n"), "\t\t\t", ""), "$key value$", "`key value`")
		want = strings.NewReplacer("$key: value$", "`key: value`", "$pattern value$", "`pattern value`").Replace(want)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: -want +got\n%s", test.kind, diff)
		}
	}
}

func write(t *testing.T, dir, name, text string) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func get(v View, key string) string {
	value, _, _ := v.Lookup(key)
	return value
}

func TestReloadKeepsTheLastGoodOne(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write(t, dir, "virtual", "a one\na two\n")
	write(t, dir, "more", "/^b$/ three\n")
	var r Ref
	if err := r.UnmarshalList([]string{"hash:virtual.db", "regexp:more", "inline:{c=four}"}); err != nil {
		t.Fatal(err)
	}
	tab, err := Open(r, dir)
	if err != nil {
		t.Fatal(err)
	}
	old := tab.View()
	if w := tab.Warnings(); len(w) != 1 || !strings.Contains(w[0].String(), `virtual:2: duplicate entry "a" is ignored; the one in force is virtual:1`) {
		t.Errorf("warnings %v", w)
	}
	if get(old, "a") != "one" || get(old, "b") != "three" || get(old, "c") != "four" {
		t.Errorf("chain: %q %q %q", get(old, "a"), get(old, "b"), get(old, "c"))
	}
	if changed, err := tab.Reload(); changed || err != nil {
		t.Errorf("unchanged: %v %v", changed, err)
	}

	write(t, dir, "more", "/^b$/ changed\n")
	write(t, dir, "virtual", "broken\n")
	changed, err := tab.Reload()
	if changed || err == nil || !strings.Contains(err.Error(), filepath.Join(dir, "virtual")+":1: no value behind the key") {
		t.Errorf("broken: %v %v", changed, err)
	}
	if get(tab.View(), "b") != "three" {
		t.Error("a broken table was taken in part")
	}

	write(t, dir, "virtual", "a new\n")
	if changed, err := tab.Reload(); !changed || err != nil {
		t.Errorf("mended: %v %v", changed, err)
	}
	if get(tab.View(), "a") != "new" || get(tab.View(), "b") != "changed" || get(old, "a") != "one" {
		t.Error("the new view is wrong, or the old one changed")
	}
	if os.Remove(filepath.Join(dir, "virtual")) != nil {
		t.Fatal("remove")
	}
	if _, err := tab.Reload(); err == nil || get(tab.View(), "a") != "new" {
		t.Errorf("gone: %v", err)
	}
}

func TestOpenComplains(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for text, want := range map[string]string{
		"absent":         "DIR/absent: no such file or directory",
		"hash:a, hash:b": "DIR/a, hash:b: no such file or directory; several tables are a YAML list",
		".":              "DIR: is not a file",
	} {
		_, err := Open(MustRef(text), dir)
		if err == nil || strings.ReplaceAll(err.Error(), dir, "DIR") != want {
			t.Errorf("%s: %v, want %s", text, err, want)
		}
	}
	if _, err := Open(Ref{}, dir); err == nil {
		t.Error("the zero Ref was opened")
	}
}

func TestAllAndFixed(t *testing.T) {
	t.Parallel()
	var r Ref
	if err := r.UnmarshalList([]string{"inline:{b=1 a=2}", "static:{ every one }"}); err != nil {
		t.Fatal(err)
	}
	tab, err := Open(r, "")
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for key, e := range tab.View().All() {
		got = append(got, key+"="+e.Value+"@"+e.Where)
	}
	if diff := cmp.Diff([]string{"b=1@inline", "a=2@inline", "*=every one@static"}, got); diff != "" {
		t.Error(diff)
	}
	if _, _, ok := Fixed(tab.View()).Lookup("x"); ok || get(Fixed(tab.View()), "a") != "2" {
		t.Error("Fixed must keep the inline table and leave out the static one")
	}
	rules, err := Parse("regexp", "t", strings.NewReader("if /x/\n!/a(b)/i v\nendif\n"))
	if err != nil {
		t.Fatal(err)
	}
	for key, e := range rules.All() {
		got = append(got, key+"="+e.Value+"@"+e.Where)
	}
	if got[len(got)-1] != "!/a(b)/i=v@t:2" {
		t.Error(got[len(got)-1])
	}
	if _, _, ok := Fixed(rules).Lookup("x"); ok {
		t.Error("a pattern is not fixed")
	}
}

func TestHashLookupAllocatesNothing(t *testing.T) {
	v, err := Parse("hash", "t", strings.NewReader("pim@a.test x\n"))
	if err != nil {
		t.Fatal(err)
	}
	if n := testing.AllocsPerRun(100, func() { v.Lookup("pim@a.test") }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// Readers keep a whole view each while the table is read again.
func TestReloadWhileReading(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write(t, dir, "virtual", "a 0\nb 0\n")
	tab, err := Open(MustRef("virtual"), dir)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	var readers sync.WaitGroup
	for range 4 {
		readers.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
				}
				if v := tab.View(); get(v, "a") != get(v, "b") {
					t.Errorf("a is %s and b is %s in one view", get(v, "a"), get(v, "b"))
					return
				}
			}
		})
	}
	for i := range 50 {
		write(t, dir, "virtual", strings.ReplaceAll("a N\nb N\n", "N", strconv.Itoa(i)))
		if _, err := tab.Reload(); err != nil {
			t.Error(err)
		}
	}
	close(done)
	readers.Wait()
	if get(tab.View(), "a") != "49" {
		t.Errorf("a is %s", get(tab.View(), "a"))
	}
}

func TestAllStopsWhereAsked(t *testing.T) {
	t.Parallel()
	for kind, text := range map[string]string{"hash": "a 1\nb 2\n", "cidr": "::1 1\n::2 2\n", "refile": "a 1\nb 2\n", "file": "a 1\nb 2\n"} {
		v, err := Parse(kind, "t", strings.NewReader(text))
		if err != nil {
			t.Fatal(err)
		}
		n := 0
		for range (chain{v, static{"x", "static"}}).All() {
			n++
			break
		}
		if n != 1 {
			t.Errorf("%s: %d entries", kind, n)
		}
	}
}

func TestErrorIsBounded(t *testing.T) {
	t.Parallel()
	_, err := Parse("hash", "t", strings.NewReader(strings.Repeat("key\x1b[1m\n", 100)))
	var e *Error
	if !errors.As(err, &e) || len(e.Complaints) != 100 {
		t.Fatalf("%T %v", err, err)
	}
	if lines := strings.Split(err.Error(), "\n"); len(lines) != 41 || lines[40] != "t: 80 more errors not shown" || lines[1] != "    key?[1m" {
		t.Errorf("%q", lines)
	}
}

func BenchmarkHash(b *testing.B) {
	var text strings.Builder
	for i := range 100_000 {
		text.WriteString("user" + strconv.Itoa(i) + "@example.test  someone@example.test\n")
	}
	v, err := Parse("hash", "t", strings.NewReader(text.String()))
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		v.Lookup("user4711@example.test")
	}
}
