// SPDX-License-Identifier: MIT

package table

import (
	"strings"
	"testing"
)

// FuzzParse reads any text as any kind of table. What can be read must answer any key without failing, and say of each of
// its entries on which line it stands.
func FuzzParse(f *testing.F) {
	f.Add("hash", "# c\na b\n c\n\"x y\"@a.test z\n", "a")
	f.Add("regexp", "if /a/\n!/^b(.)/im $$x\n/(a)|(b)/ $1${2}$(1)\nendif\n", "ab")
	f.Add("pcre", "/^(?:a|b)+?(c)/sU $1 x\n", "abc")
	f.Add("cidr", "!192.0.2.0/24 x\nif 2001:db8::/32\n::1 y\nendif\n", "192.0.2.1")
	f.Add("refile", "*@*.a.test b # c\n", "x@y.a.test")
	f.Add("file", "a b#c #d\n", "A")
	f.Fuzz(func(t *testing.T, kind, text, key string) {
		v, err := Parse(kind, "t", strings.NewReader(text))
		if err != nil {
			if !strings.HasPrefix(err.Error(), "t:") {
				t.Errorf("%q does not begin with the file", err)
			}
			return
		}
		if _, where, ok := v.Lookup(key); ok && !strings.HasPrefix(where, "t:") {
			t.Errorf("found in %q", where)
		}
		for key, e := range v.All() {
			if key == "" && kind != "hash" && kind != "file" || !strings.HasPrefix(e.Where, "t:") {
				t.Errorf("entry %q at %q", key, e.Where)
			}
		}
	})
}

// FuzzRef reads any text as the name of a table; what it makes is read again as the same.
func FuzzRef(f *testing.F) {
	for _, seed := range []string{"virtual", "hash:a.db", "inline:{a=b, {c d = e}}", "static:{x}", "regexp:/a:b"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		r, err := ParseRef(text)
		if err != nil {
			return
		}
		again, err := ParseRef(r.String())
		if err != nil || again.rest != r.rest || len(again.pairs) != len(r.pairs) {
			t.Errorf("%q became %q: %v", text, again, err)
		}
	})
}

// FuzzWildcard holds the matcher of refile tables against the plainest one there is.
func FuzzWildcard(f *testing.F) {
	f.Add("*a*b", "xaxb")
	f.Add("**", "")
	f.Fuzz(func(t *testing.T, pattern, key string) {
		if len(pattern) > 12 || len(key) > 12 {
			return
		}
		pattern, key = strings.ToLower(pattern), strings.ToLower(key)
		if got, want := wildcard(pattern, key), plainest(pattern, key); got != want {
			t.Errorf("wildcard(%q, %q) = %v", pattern, key, got)
		}
	})
}

func plainest(pattern, key string) bool {
	switch {
	case pattern == "":
		return key == ""
	case pattern[0] == '*':
		return plainest(pattern[1:], key) || key != "" && plainest(pattern, key[1:])
	}
	return key != "" && key[0] == pattern[0] && plainest(pattern[1:], key[1:])
}
