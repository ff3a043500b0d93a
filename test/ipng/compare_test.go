// SPDX-License-Identifier: MIT

//go:build interop

package ipng

import (
	"flag"
	"path/filepath"
	"testing"
)

// only says which side is asked, for those who write a set: "postfix" or "posthouse".
var only = flag.String("side", "", "ask only `postfix` or posthouse")

// TestSameAsPostfix gives a real Postfix and ours the same restriction lists and the same probes.
func TestSameAsPostfix(t *testing.T) {
	lab(t)
	files, err := filepath.Glob("testdata/probes/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatal("no sets of probes", err)
	}
	var sets []*set
	for _, f := range files {
		sets = append(sets, readSets(t, f)...)
	}
	etc := example(t)
	for _, address := range postgreys {
		startPostgrey(t, address)
	}
	startGood(t)
	sinkAt(t, "10.0.3.1:25")
	asked := startPolicyServer(t)
	if *only != "posthouse" {
		startPostfix(t, room(t), etc, sets)
	}
	t.Run("set", func(t *testing.T) {
		for n, s := range sets {
			t.Run(s.name, func(t *testing.T) {
				t.Parallel()
				compare(t, s, n, etc)
			})
		}
	})
	if *only == "" {
		asked.compare(t)
	}
}

func compare(t *testing.T, s *set, n int, etc string) {
	if *only != "postfix" {
		m := startSet(t, s, n, etc)
		ask(t, "ours", s, m.address, func(p *probe) string { return p.want })
		m.Kill()
	}
	if *only != "posthouse" {
		ask(t, "Postfix's", s, postfixAt(n), func(p *probe) string { return p.postfix })
	}
}

// ask plays all probes of a set.
func ask(t *testing.T, whose string, s *set, server string, want func(*probe) string) {
	for _, p := range s.probes {
		got, text, err := p.play(server)
		if err != nil {
			t.Errorf("%s: %s\n%s: %v", p.where, &p, whose, err)
			continue
		}
		if got != want(&p) {
			t.Errorf("%s: %s\n\t%s answer: %s   (%s)\n\twant: %s", p.where, &p, whose, got, text, want(&p))
		}
	}
}
