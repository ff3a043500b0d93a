// SPDX-License-Identifier: MIT

package authres

import (
	"strings"
	"testing"

	"posthouse/mail"
)

// The methods as smtp-in makes them.

func spfMethod(result, identity, value string) Method {
	return Method{Name: "spf", Result: result, Properties: []Property{{"smtp", identity, value}}}
}

func dkimMethod(result, domain, selector, algorithm, signature string) Method {
	return Method{Name: "dkim", Result: result, Properties: []Property{
		{"header", "d", domain}, {"header", "s", selector}, {"header", "a", algorithm}, {"header", "b", signature},
	}}
}

func dmarcMethod(result, domain, policy string) Method {
	return Method{Name: "dmarc", Result: result, Properties: []Property{{"header", "from", domain}, {"policy", "dmarc", policy}}}
}

func iprevMethod(result, addr, name string) Method {
	return Method{Name: "iprev", Result: result, Comment: name, Properties: []Property{{"policy", "iprev", addr}}}
}

func TestField(t *testing.T) {
	t.Parallel()
	methods := []Method{
		iprevMethod("pass", "192.0.2.1", "out.a.test"),
		dmarcMethod("pass", "a.test", "none"),
		dkimMethod("pass", "a.test", "s1", "rsa-sha256", "oKzbAbcd"),
		dkimMethod("fail", "b.test", "s2", "ed25519-sha256", "/gCrinpc"),
		spfMethod("pass", "mailfrom", "u@a.test"),
	}
	want := "Authentication-Results: mx.us.test;\r\n" +
		"\tspf=pass smtp.mailfrom=u@a.test;\r\n" +
		"\tdkim=pass header.d=a.test header.s=s1 header.a=rsa-sha256\r\n" +
		"\theader.b=oKzbAbcd;\r\n" +
		"\tdkim=fail header.d=b.test header.s=s2 header.a=ed25519-sha256\r\n" +
		"\theader.b=\"/gCrinpc\";\r\n" +
		"\tdmarc=pass header.from=a.test policy.dmarc=none;\r\n" +
		"\tiprev=pass (out.a.test) policy.iprev=192.0.2.1\r\n"
	if got := string(Field("mx.us.test", methods)); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if methods[0].Name != "iprev" {
		t.Error("the caller's list was changed")
	}
	if got := string(Field("mx.us.test", nil)); got != "Authentication-Results: mx.us.test; none\r\n" {
		t.Errorf("%q", got)
	}
}

// hostile values must stay values: one field, no second clause, lines that mail can carry.
func hostile(t *testing.T, field mail.Field, methods int) {
	t.Helper()
	h, err := mail.ParseHeader(string(field))
	if err != nil || len(h.Fields()) != 1 {
		t.Fatalf("%q: %d fields, %v", field, len(h.Fields()), err)
	}
	for line := range strings.SplitSeq(string(field), "\r\n") {
		if len(line) > 900 || strings.ContainsAny(line, "\r\n\x00") {
			t.Errorf("%q: a line of %d octets", field, len(line))
		}
	}
	if clauses := strings.Count(bare(string(field)), ";"); clauses != methods {
		t.Errorf("%q: %d clauses", field, clauses)
	}
}

// bare takes quoted strings and comments out.
func bare(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '"':
			for i++; i < len(s) && s[i] != '"'; i++ {
				if s[i] == '\\' {
					i++
				}
			}
		case '(':
			i = mail.CommentEnd(s, i)
		default:
			b.WriteByte(s[i])
		}
	}
	return b.String()
}

func TestHostileValues(t *testing.T) {
	t.Parallel()
	for _, v := range []string{
		"a@b.test\r\nX-Forged: yes", "a; dkim=pass", `a" ; dkim=pass header.d="b`, `\`, `"`, "a\x00b", "(", ")(;", "jörg@b.test", "=",
		strings.Repeat("x", 5000), strings.Repeat(";\" ", 500), `"a b"@c.test`, "a@b;c",
	} {
		m := spfMethod("pass", "mailfrom", v)
		m.Reason, m.Comment = v, v
		hostile(t, Field("mx.us.test", []Method{m, dkimMethod(v, v, v, v, v)}), 2)
	}
	var many []Method
	for range 1000 {
		many = append(many, dkimMethod("fail", "a.test", "s", "rsa-sha256", "abcdefgh"))
	}
	hostile(t, Field("mx.us.test", many), maxMethods)
}

func TestStrip(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		value string
		want  bool
	}{
		{"mx.us.test; spf=pass", true},
		{"MX.US.Test; spf=pass", true},
		{"mx.us.test 1; spf=pass", true},
		{"mx.us.test 1 ; spf=pass", true},
		{"mx.us.test/1; spf=pass", true},
		{"(a (nested) ; comment) mx.us.test; spf=pass", true},
		{"(a\\) b) mx.us.test (c) 1 (d); spf=pass", true},
		{"mx.us.test(c)1; spf=pass", true},
		{"mx(x).us.test; spf=pass", true},
		{"mx.us .test; spf=pass", true},
		{"\r\n\tmx.us.test\r\n ; spf=pass", true},
		{"\r\n\t(x)\r\n\tmx.us.test; none", true},
		{`"mx.us.test"; spf=pass`, true},
		{`"mx.us\.test"; spf=pass`, true},
		{"mx.us.test.; spf=pass", true},
		{"mx.us.test", true},
		{"mx.us.test spf=pass", true},
		{"mx.bücher.test; spf=pass", true},
		{"XN--bcher-kva.test; spf=pass", false},
		{"other.test; spf=pass (mx.us.test)", false},
		{"other.test; x=mx.us.test", false},
		{"amx.us.test; spf=pass", false},
		{"mx.us.test.evil.test; spf=pass", false},
		{"(mx.us.test) other.test; spf=pass", false},
		{"", false},
		{";", false},
	} {
		var h mail.Header
		h.Append("Subject: mx.us.test; x\r\n", mail.Field("authentication-results : "+c.value+"\r\n"), "ARC-Authentication-Results: i=1; mx.us.test; none\r\n")
		before := h
		if n := Strip(&h, "mx.us.test", "mx.xn--bcher-kva.test"); (n == 1) != c.want || len(h.Fields()) != 3-n {
			t.Errorf("%q: %d stripped", c.value, n)
		}
		if len(before.Fields()) != 3 {
			t.Error("a copy was changed")
		}
	}
}

func FuzzStrip(f *testing.F) {
	f.Add("(x) mx.us.test 1; spf=pass")
	f.Add("\"mx.us.test\r\n ")
	f.Add("((\\")
	f.Fuzz(func(t *testing.T, value string) {
		h, err := mail.ParseHeader("Authentication-Results: " + value)
		if err != nil {
			return
		}
		n := Strip(&h, "mx.us.test")
		if again := Strip(&h, "mx.us.test"); again != 0 {
			t.Errorf("%d, then %d", n, again)
		}
		if plain := strings.TrimLeft(value, " \t"); strings.HasPrefix(plain, "mx.us.test;") && n == 0 {
			t.Error("not stripped")
		}
	})
}

func FuzzField(f *testing.F) {
	f.Add("a\r\nb", `";x=`, "(\\")
	f.Fuzz(func(t *testing.T, id, v, comment string) {
		m := spfMethod(v, "mailfrom", v)
		m.Reason, m.Comment = comment, comment
		hostile(t, Field("mx.us.test", []Method{m}), 1)
		if field := Field(id, nil); strings.Count(bare(string(field)), ";") != 1 {
			t.Errorf("%q", field)
		}
	})
}
