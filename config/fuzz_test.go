// SPDX-License-Identifier: MIT

package config

import (
	"bytes"
	"os"
	"strings"
	"testing"
)

// FuzzParse reads anything as a cluster file. Every complaint has a place in the file, and what is read without one is
// the same after it was shown.
func FuzzParse(f *testing.F) {
	whole, err := os.ReadFile("testdata/cluster.yaml")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(whole)
	for _, seed := range []string{"", "a", "- ", "cluster: a\n---\n", "smtp_in: {hostname: [}", "? x\n: y", "cluster: |\n  a\n", "\ufeffa: b\r\n", "balancer: {\"a.b\": {}}"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var c, again cluster
		_, report := Parse("f", data, &c)
		lines := strings.Count(string(data), "\n") + 1
		for _, p := range report.Problems {
			if p.Line < 1 || p.Line > lines || p.Column < 1 || p.Message == "" {
				t.Errorf("no place: %#v", p)
			}
		}
		if report.Err() != nil {
			return
		}
		var shown, twice bytes.Buffer
		if err := Show(&shown, c); err != nil {
			t.Fatal(err)
		}
		if _, report := Parse("f", shown.Bytes(), &again); report.Err() != nil {
			t.Fatalf("%v\n%s", report.Err(), &shown)
		}
		if err := Show(&twice, again); err != nil || twice.String() != shown.String() {
			t.Errorf("shown as\n%s\nand then as\n%s", &shown, &twice)
		}
	})
}

func FuzzValues(f *testing.F) {
	for _, seed := range []string{"50MiB", "1h30m", "192.0.2.0/24", "inet:[::1]:25", "bücher.test", "/a"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		for _, fresh := range []func() value{
			func() value { return new(Size) }, func() value { return new(Duration) }, func() value { return new(Network) },
			func() value { return new(Address) }, func() value { return new(Domain) }, func() value { return new(Path) },
		} {
			v, again := fresh(), fresh()
			if v.UnmarshalText([]byte(text)) != nil {
				continue
			}
			if err := again.UnmarshalText([]byte(v.String())); err != nil || again.String() != v.String() {
				t.Errorf("%T: %q became %s, then %s: %v", v, text, v, again, err)
			}
		}
	})
}
