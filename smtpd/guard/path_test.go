// SPDX-License-Identifier: MIT

package guard

import (
	"strings"
	"testing"
)

func TestSplitPath(t *testing.T) {
	t.Parallel()
	cases := []struct{ arg, wire, rest string }{ // wire "" is refused
		{"FROM:<a@b>", "<a@b>", ""},
		{"from:<a@b> SIZE=1", "<a@b>", " SIZE=1"},
		{"FROM: <a@b>", "<a@b>", ""},
		{"FROM:<>", "<>", ""},
		{`FROM:<"a> b"@c> X=1`, `<"a> b"@c>`, " X=1"},
		{`FROM:<"a\"> b"@c>`, `<"a\"> b"@c>`, ""},
		{"FROM:a@b SIZE=1", "<a@b>", "SIZE=1"},
		{"FROM:<@x,@y:a@b>", "<@x,@y:a@b>", ""},
		{"FROM:<a@b>x", "", ""},
		{"FROM:<a@b", "", ""},
		{`FROM:<"a>@b`, "", ""},
		{`FROM:"a b"@c`, "", ""},
		{"FROM:a>b@c", "", ""},
		{"FROM:", "", ""},
		{"FROM", "", ""},
		{"TO:<a@b>", "", ""},
	}
	for _, c := range cases {
		wire, rest, ok := splitPath(verbMail, c.arg)
		if ok != (c.wire != "") || ok && (wire != c.wire || rest != c.rest) {
			t.Errorf("%q: %q, %q, %v", c.arg, wire, rest, ok)
		}
	}
}

func TestDecodeXtext(t *testing.T) {
	t.Parallel()
	cases := []struct {
		in, out string
		ok      bool
	}{
		{"abc", "abc", true}, {"a+2Bb", "a+b", true}, {"+3D", "=", true}, {"", "", true},
		{"+", "", false}, {"+2", "", false}, {"+GG", "", false}, {"+0A", "", false}, {"+FF", "", false}, {"+-1", "", false}, {"a b", "a b", true},
	}
	for _, c := range cases {
		if out, ok := decodeXtext(c.in); ok != c.ok || ok && out != c.out {
			t.Errorf("%q: %q, %v", c.in, out, ok)
		}
	}
}

// FuzzPath: whatever MAIL and RCPT carry, the line for go-smtp is one clean line, and the path is what was parsed.
func FuzzPath(f *testing.F) {
	f.Add(`FROM:<"a> NOTIFY=NEVER"@b> SIZE=1 BODY=8BITMIME`, false)
	f.Add("TO:<a@b> ORCPT=x400;+41 NOTIFY=SUCCESS", true)
	f.Fuzz(func(t *testing.T, arg string, rcpt bool) {
		if !clean([]byte(arg), true) {
			return
		}
		v := verbMail
		if rcpt {
			v = verbRcpt
		}
		o := &Options{}
		o.Complete()
		c := &Conn{opt: o}
		c.path(v, []byte(strings.TrimSpace(arg)))
		if len(c.next) == 0 {
			if c.out == nil {
				t.Fatalf("%q: neither refused nor passed on", arg)
			}
			return
		}
		line := strings.TrimSuffix(string(c.next), "\r\n")
		if strings.ContainsAny(line, "\r\n\x00") || strings.Count(line, "<") != 1 || strings.Count(line, ">") != 1 {
			t.Fatalf("%q became %q", arg, line)
		}
		if rcpt && c.cmd.Path.IsNull() {
			t.Fatalf("%q: a recipient without an address", arg)
		}
	})
}
