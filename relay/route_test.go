// SPDX-License-Identifier: MIT

package relay

import (
	"strings"
	"testing"
)

func TestParseRoute(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"smtp:":                         "smtp:",
		"smtp:Example.test":             "smtp:example.test:25",
		"relay:example.test":            "smtp:example.test:25",
		"smtp:example.test:2525":        "smtp:example.test:2525",
		"smtp:[mx.example.test]":        "smtp:[mx.example.test]:25",
		"smtp:[mx.example.test]:587":    "smtp:[mx.example.test]:587",
		"smtp:[mx.test]:submission":     "smtp:[mx.test]:587",
		"[mx.example.test]:2525":        "smtp:[mx.example.test]:2525",
		":[mx.example.test]":            "smtp:[mx.example.test]:25",
		"smtp:[192.0.2.1]:26":           "smtp:[192.0.2.1]:26",
		"smtp:192.0.2.1:26":             "smtp:[192.0.2.1]:26",
		"smtp:[2001:DB8::1]":            "smtp:[2001:db8::1]:25",
		"smtp:[ipv6:2001:db8::1]:26":    "smtp:[2001:db8::1]:26",
		"lmtp:unix:/run/dovecot/lmtp":   "lmtp:unix:/run/dovecot/lmtp",
		"lmtp:inet:dovecot.test:24":     "lmtp:[dovecot.test]:24",
		"lmtp:dovecot.test":             "lmtp:[dovecot.test]:24",
		"lmtp:inet:[2001:db8::1]:lmtp":  "lmtp:[2001:db8::1]:24",
		"lmtp:inet:127.0.0.1:2024":      "lmtp:[127.0.0.1]:2024",
		"smtp:[::ffff:192.0.2.1]":       "smtp:[192.0.2.1]:25",
		"smtp:xn--mller-kva.test":       "smtp:xn--mller-kva.test:25",
		"smtp:[posthouse.test]:2024":    "smtp:[posthouse.test]:2024",
		"lmtp:inet:[dovecot.test]:2024": "lmtp:[dovecot.test]:2024",
	} {
		r, err := ParseRoute(in)
		if err != nil || r.String() != want {
			t.Errorf("%q: %v, %v; want %s", in, r, err, want)
			continue
		}
		if again, err := ParseRoute(r.String()); err != nil || again != r {
			t.Errorf("%q does not come back: %v, %v", r.String(), again, err)
		}
	}
}

func TestParseRouteRefuses(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"uucp:x.test":         "not known",
		"discard:":            "not known",
		"smtp:[mx.test":       "not closed",
		"smtp:[mx.test]25":    "follows a colon",
		"smtp:mx.test:0":      "not a port",
		"smtp:mx.test:99999":  "not a port",
		"smtp:2001:db8::1:25": "brackets",
		"lmtp:unix:relative":  "whole path",
		"lmtp:inet:":          "",
		"smtp:[]":             "",
		"":                    "",
		"example.test":        "",
	} {
		r, err := ParseRoute(in)
		if in == "" || in == "example.test" { // a next hop alone means smtp
			if err != nil {
				t.Errorf("%q: %v", in, err)
			}
			continue
		}
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, %v; want %q", in, r, err, want)
		}
	}
}

func FuzzParseRoute(f *testing.F) {
	f.Add("smtp:[ipv6:2001:db8::1]:26")
	f.Add("lmtp:unix:/x")
	f.Fuzz(func(t *testing.T, s string) {
		r, err := ParseRoute(s)
		if err != nil {
			return
		}
		if again, err := ParseRoute(r.String()); err != nil || again != r {
			t.Errorf("%q: %+v, then %q: %+v, %v", s, r, r.String(), again, err)
		}
	})
}
