// SPDX-License-Identifier: MIT

//go:build interop

package ipng

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"

	"posthouse/internal/maillab"
)

// TestRspamdFindsTheSame holds what Rspamd finds behind ours against what it finds behind Postfix: it must be told the same.
func TestRspamdFindsTheSame(t *testing.T) {
	lab(t)
	startRspamd(t)
	s := readSets(t, "testdata/effects/rspamd.txt")[0]
	etc := example(t)
	startPostfix(t, room(t), etc, []*set{s})
	ours := startSet(t, s, 0, etc)
	got, want := s.symbols(t, "ours", ours.address), s.symbols(t, "Postfix's", postfixAt(0))
	if len(want[0]) < 5 {
		t.Errorf("behind Postfix Rspamd finds only %v", want[0])
	}
	for i, p := range s.probes {
		if !slices.Equal(got[i], want[i]) {
			t.Errorf("%s: %s\nours:      %v\nPostfix's: %v", p.where, &p, got[i], want[i])
		}
	}
}

// symbols are what Rspamd found in each probe.
func (s *set) symbols(t *testing.T, whose, server string) [][]string {
	t.Helper()
	in, out := sinkAt(t, "10.0.3.1:25"), sinkAt(t, "10.0.9.1:25")
	defer in.Close()
	defer out.Close()
	id := strings.ToLower(whose[:4])
	for i := range s.probes {
		s.probes[i].message = mail(fmt.Sprintf("%s%02d", id, i), "")
	}
	ask(t, whose, s, server, func(p *probe) string { return p.want })
	var all [][]string
	for i, p := range s.probes {
		sink := in
		if strings.Contains(p.to[0], "eritap") {
			sink = out
		}
		all = append(all, found(arrived(t, sink, fmt.Sprintf("%s%02d", id, i))))
	}
	return all
}

var symbol = regexp.MustCompile(`\t([A-Z0-9_]+)\(`)

// found are the symbols of X-Spamd-Result, sorted.
func found(m maillab.Message) []string {
	header, _, _ := strings.Cut(m.Data, "\r\n\r\n")
	_, field, _ := strings.Cut(header, "X-Spamd-Result:")
	names := map[string]bool{}
	for _, match := range symbol.FindAllStringSubmatch(field, -1) {
		names[match[1]] = true
	}
	return slices.Sorted(maps.Keys(names))
}
