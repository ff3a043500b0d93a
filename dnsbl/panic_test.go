// SPDX-License-Identifier: MIT

package dnsbl

import (
	"context"
	"net/netip"
	"testing"

	"posthouse/resolver"
)

// mad is a resolver that panics.
type mad struct{ resolver.Resolver }

func (mad) Ask(context.Context, string, uint16) (resolver.Answer, error) { panic("resolver") }

// TestPanicIsNoAnswer: what goes wrong beside the dialogue ends neither the process nor the question.
func TestPanicIsNoAnswer(t *testing.T) {
	t.Parallel()
	l := New(Options{Resolver: mad{}})
	z, err := ParseZone("bl.test")
	if err != nil {
		t.Fatal(err)
	}
	got := l.Ask(t.Context(), []Ask{{Zone: z, Addr: netip.MustParseAddr("192.0.2.1")}, {Zone: z, Addr: netip.MustParseAddr("192.0.2.2")}})
	for _, r := range got {
		if r.Listed || r.Err == nil {
			t.Errorf("%+v", r)
		}
	}
}
