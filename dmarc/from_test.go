// SPDX-License-Identifier: MIT

package dmarc

import (
	"strings"
	"testing"

	"posthouse/mail"
)

func from(values ...string) (h mail.Header) {
	for _, v := range values {
		h.Append(mail.Field("From: " + v + "\r\n"))
	}
	return h
}

func TestAuthors(t *testing.T) {
	t.Parallel()
	for value, want := range map[string]string{
		"a@A.test":                                   "a.test",
		"A <a@a.test>":                               "a.test",
		`"b@b.test" <a@a.test>`:                      "a.test",
		`"b@b.test\" <c@c.test>" <a@a.test>`:         "a.test",
		"b@b.test <a@a.test>":                        "a.test",
		"(b@b.test, \\) ( <c@c.test>)) a@a.test (x)": "a.test",
		`"a b"@a.test`:                               "a.test",
		`"a@b.test"@a.test`:                          "a.test",
		"a..b@a.test":                                "a.test",
		"a @ a . test":                               "a.test",
		"Doe, John <a@a.test>":                       "a.test",
		"<@x.test,@y.test:a@a.test>":                 "a.test",
		"a@bücher.test":                              "xn--bcher-kva.test",
		"=?utf-8?q?b=40b.test?= <a@a.test>":          "a.test",
		"<@[IPv6:::1]:a@a.test>":                     "a.test",
		`"a"@[IPv6:2001:db8::1]`:                     "[IPv6:2001:db8::1]",
		`"Team": a@a.test;`:                          "a.test",
		`a@a.test "A"`:                               "a.test",
		"a@a.test.":                                  "a.test",
		"a@b.test@a.test":                            "b.test a.test",
		"B <a@b.test@a.test>":                        "b.test a.test",
		`"a"@b.test@a.test`:                          "b.test a.test",
		"<@x.test:a@b.test@a.test>":                  "b.test a.test",
		"a@a.test, b@A.test":                         "a.test",
		"a@a.test, B <b@b.test>":                     "a.test b.test",
		"<a@a.test> <b@b.test>":                      "a.test b.test",
		"<a@a.test> b@b.test":                        "a.test b.test",
		"<a@a.test <b@b.test>":                       "a.test b.test",
		"Team: a@a.test, B <b@b.test>;":              "a.test b.test",
		"Team: a@a.test; b@b.test":                   "a.test b.test",
		"a@[192.0.2.1]":                              "[192.0.2.1]",
		"a@[IPv6:2001:db8::1]":                       "[IPv6:2001:db8::1]",
		"<a@a.test":                                  "a.test",
		"undisclosed:;":                              "",
		"nobody":                                     "",
		"":                                           "",
		"a@":                                         "",
		"a@a.test, b@":                               "",
		"a@a.test, <@b.test:b>":                      "",
		`"a"@b.test:a@a.test`:                        "",
		"a@b.test\u3000.test":                        "",
		"a@a_.test-":                                 "",
		`"a@a.test`:                                  "",
		"a@1.test, a@2.test, a@3.test, a@4.test, a@5.test": "",
	} {
		got, err := Authors(from(value))
		if strings.Join(got, " ") != want || (err != nil) != (want == "") {
			t.Errorf("%q: %v, %v, want %q", value, got, err, want)
		}
	}
	for _, h := range []mail.Header{from(), from("a@a.test", "a@a.test"), from(strings.Repeat("a", maxFrom) + "@a.test")} {
		if got, err := Authors(h); err == nil {
			t.Errorf("%d fields: %v", h.Count("From"), got)
		}
	}
}

// TestMessage is RFC 9989 5.3.1 and 11.5: no author and several.
func TestMessage(t *testing.T) {
	t.Parallel()
	z := zone(t, "a.test v=DMARC1; p=none", "b.test v=DMARC1; p=quarantine", "c.test v=DMARC1; p=reject")
	for value, want := range map[string]struct {
		status      Status
		disposition Policy
		domain      string
	}{
		"x@a.test":                     {Pass, Nothing, "a.test"},
		"x@a.test, x@d.test":           {None, Nothing, "d.test"},
		"x@a.test, x@b.test":           {Fail, Quarantine, "b.test"},
		"x@c.test, x@b.test, x@a.test": {Fail, Reject, "c.test"},
		"x@b.test, x@c.test, x@a.test": {Fail, Reject, "c.test"},
		"nobody":                       {PermError, Nothing, ""},
	} {
		r := Message(t.Context(), z, from(value), "a.test", nil)
		if r.Status != want.status || r.Disposition != want.disposition || r.Domain != want.domain {
			t.Errorf("%q: %+v", value, r)
		}
	}
	if r := Message(t.Context(), z, from("x@a.test", "x@d.test"), "a.test", nil); r.Status != PermError || r.Err == nil {
		t.Errorf("two fields: %+v", r)
	}
	for _, h := range []mail.Header{ // no author, but somebody whom a reader may take for one
		from("x@a.test", "x@c.test"), from("x@c.test", "x@a.test"), from("x@a..test, x@c.test"),
		from("x@a.test, x@d.test, x@e.test, x@f.test, x@g.test, x@c.test"), from("x@c.test, x@d.test, x@e.test, x@f.test, x@g.test, x@a.test"),
	} {
		if r := Message(t.Context(), z, h, "a.test", nil); r.Status != Fail || r.Disposition != Reject || r.Domain != "c.test" {
			t.Errorf("%s: %+v", h, r)
		}
	}
}

func FuzzAuthors(f *testing.F) {
	f.Add(`"b@b.test" <a@a.test>, (c) Team: x@[192.0.2.1], <@r.test:y@y.test>;`)
	f.Add("a@bücher.test\r\n <")
	f.Add(`"\`)
	f.Add(`<@r.test:x@y.test@z.test>, "a"@[IPv6:::1]@b.test`)
	f.Fuzz(func(t *testing.T, value string) {
		domains, err := Authors(from(value))
		if (err == nil) != (len(domains) > 0) || len(domains) > maxAuthors {
			t.Errorf("%v, %v", domains, err)
		}
		for _, d := range domains {
			if again, err := mail.ParseDomain(d); err != nil || again != d {
				t.Errorf("%q: %q, %v", d, again, err)
			}
		}
	})
}
