// SPDX-License-Identifier: MIT

//go:build interop

package ipng

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"posthouse/internal/maillab"
)

// TestEffectsAsPostfix compares what HOLD, DISCARD, REDIRECT, PREPEND and BCC make of a message: who gets it, and with which fields.
func TestEffectsAsPostfix(t *testing.T) {
	lab(t)
	sets := readSets(t, "testdata/effects/effects.txt")
	for i := range sets[0].probes {
		sets[0].probes[i].message = mail(fmt.Sprintf("effect%02d", i), "")
	}
	etc := example(t)
	startPostfix(t, room(t), etc, sets)
	ours := startSet(t, sets[0], 0, etc)
	got := effects(t, "ours", sets[0], ours.address)
	want := effects(t, "Postfix's", sets[0], postfixAt(0))
	if !slices.Equal(got, want) {
		t.Errorf("ours:\n%s\nPostfix's:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if held := ours.command(t, "queue", "list"); !strings.Contains(held, "hold@act.test") {
		t.Errorf("not held:\n%s", held)
	}
}

// effects plays the probes and says what arrives, a line for each message and recipient.
func effects(t *testing.T, whose string, s *set, server string) []string {
	t.Helper()
	in, out := sinkAt(t, "10.0.3.1:25"), sinkAt(t, "10.0.9.2:25")
	defer in.Close()
	defer out.Close()
	ask(t, whose, s, server, func(p *probe) string { return p.want })
	arrived(t, in, fmt.Sprintf("effect%02d", len(s.probes)-1))
	out.Wait(t, 1)
	maillab.Wait(t, maillab.Patience, "all that is to come", func() bool { return len(lines(in)) >= 12 })
	all := append(lines(in), lines(out)...)
	slices.Sort(all)
	return all
}

// lines are the messages of a sink: id, recipient, and the fields that a table wants.
func lines(s *maillab.Sink) []string {
	var all []string
	for _, m := range s.Messages() {
		var fields []string
		header, _, _ := strings.Cut(m.Data, "\r\n\r\n")
		for f := range strings.SplitSeq(header, "\r\n") {
			if strings.HasPrefix(f, "X-Seen: ") && !slices.Contains(fields, f) { // Postfix adds one for each recipient, we only one
				fields = append(fields, f)
			}
		}
		for _, to := range m.To {
			all = append(all, fmt.Sprintf("%s %s %q", maillab.MessageID(m.Data), argument(to), fields))
		}
	}
	return all
}
