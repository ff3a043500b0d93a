// SPDX-License-Identifier: MIT

package dnsbl

import (
	"net/netip"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

func TestFilter(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ filter, takes, leaves string }{
		{"127.0.0.2", "127.0.0.2", "127.0.0.3 127.0.1.2 126.0.0.2"},
		{"127.0.0.[2..11]", "127.0.0.2 127.0.0.7 127.0.0.11", "127.0.0.1 127.0.0.12 127.0.1.2"},
		{"127.0.0.[1;3;5..9]", "127.0.0.1 127.0.0.3 127.0.0.5 127.0.0.9", "127.0.0.2 127.0.0.4 127.0.0.10"},
		{"127.0.[0..255].[0;128..255]", "127.0.9.0 127.0.255.200", "127.0.9.1 127.1.9.0"},
		{"127.255.255.[1..255]", "127.255.255.254", "127.255.255.0"},
		{"[127.0.0.2]", "127.0.0.2", "127.0.0.3"},
		{"[127].[0].[0].[2]", "127.0.0.2", "127.0.0.3"},
		{"[127.0.0.[2;4]]", "127.0.0.2 127.0.0.4", "127.0.0.3"},
		{"127.0.0.[2..2]", "127.0.0.2", "127.0.0.3"},
		{"127.0.0.002", "127.0.0.2", "127.0.0.3"},
	} {
		f, err := ParseFilter(c.filter)
		if err != nil || f.String() != c.filter {
			t.Errorf("%s: %v, %s", c.filter, err, f)
			continue
		}
		for _, a := range strings.Fields(c.takes) {
			if !f.Match(netip.MustParseAddr(a)) {
				t.Errorf("%s does not take %s", c.filter, a)
			}
		}
		for _, a := range strings.Fields(c.leaves) {
			if f.Match(netip.MustParseAddr(a)) {
				t.Errorf("%s takes %s", c.filter, a)
			}
		}
	}
	if !(Filter{}).Match(netip.MustParseAddr("127.9.9.9")) {
		t.Error("no filter must take every code")
	}
}

func TestWrongFilters(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"":                             "is empty",
		"[]":                           "is empty",
		"127.0.0":                      "ends where a dot",
		"127.0.0.":                     "ends where a number",
		"127.0.0.2.3":                  `".3" where the end`,
		"127.0.0.256":                  "a number from 0 to 255",
		"127.0.0.99999999999999999999": "a number from 0 to 255",
		"127.0.[3.4]":                  `";" or "]"`,
		"127.0.0.3[6..9]":              "where the end",
		"127.0.0.[9..6]":               "ends before it begins",
		"127.0.0.[2,4]":                `";" or "]"`,
		"127.0.0.[2;]":                 "a number",
		"127.0.0.[]":                   "a number",
		"127.0.0.[2..]":                "a number",
		"127.0.0.[2...4]":              "a number",
		"127.0.0.[2":                   "ends where",
		"[127.0.0.2":                   `";" or "]"`,
		" 127.0.0.2":                   "a number",
		"127.0.0.[[2]]":                "a number",
		"::1":                          "a number",
	} {
		if _, err := ParseFilter(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v; want %q", text, err, want)
		}
	}
}

// grammar is ip_match(3)'s, written down a second time for the fuzzer.
func grammar() *regexp.Regexp {
	const field = `(\d+|\[\d+(?:\.\.\d+)?(?:;\d+(?:\.\.\d+)?)*\])`
	return regexp.MustCompile(`\A` + field + `\.` + field + `\.` + field + `\.` + field + `\z`)
}

// sets reads a pattern with the grammar; nil if it is none.
func sets(text string) [][256]bool {
	if strings.HasPrefix(text, "[") && strings.HasSuffix(text, "]") && grammar().MatchString(text[1:len(text)-1]) {
		text = text[1 : len(text)-1]
	}
	fields := grammar().FindStringSubmatch(text)
	if fields == nil {
		return nil
	}
	out := make([][256]bool, 4)
	for i, field := range fields[1:] {
		for member := range strings.SplitSeq(strings.Trim(field, "[]"), ";") {
			low, high, found := strings.Cut(member, "..")
			if !found {
				high = low
			}
			a, err1 := strconv.ParseUint(low, 10, 8)
			b, err2 := strconv.ParseUint(high, 10, 8)
			if err1 != nil || err2 != nil || a > b {
				return nil
			}
			for ; a <= b; a++ {
				out[i][a] = true
			}
		}
	}
	return out
}

func FuzzFilter(f *testing.F) {
	for _, s := range []string{"127.0.0.2", "127.0.[0..255].[1;3;5..9]", "[127.0.0.2]", "[1].2.3.[4]", "127.0.0.[9..6]", "127.0.0.256", "[[1].2.3.4]"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		got, err := ParseFilter(text)
		want := sets(text)
		if (err == nil) != (want != nil) {
			t.Fatalf("%q: %v, but the grammar says %v", text, err, want != nil)
		}
		for i := range want {
			for n := range 256 {
				if got.octets[i][n] != want[i][n] {
					t.Fatalf("%q: field %d, %d", text, i, n)
				}
			}
		}
	})
}
