// SPDX-License-Identifier: MIT

package smtpin

import (
	"context"
	"net/netip"
	"strings"
	"testing"
	"time"

	"posthouse/dnsbl"
	"posthouse/mail"
	"posthouse/reply"
)

// gated is a world behind a gate: 192.0.2.9 scores 3 of 2.
func gated(t testing.TB, action string) *world {
	t.Helper()
	w := newWorld(t, people)
	w.Gate = &Gate{
		Sites: []dnsbl.Zone{{Domain: "zen.test", Weight: 3}}, Threshold: 2, Wait: time.Second, Patience: time.Second, Action: action,
		Allowed: func(a netip.Addr) bool { return a == netip.MustParseAddr("192.0.2.7") },
		Score: func(_ context.Context, _ []dnsbl.Zone, a netip.Addr) (int, []string) {
			if a == netip.MustParseAddr("192.0.2.8") {
				return 1, []string{"zen.test*3"}
			}
			return 3, []string{"zen.test*3"}
		},
	}
	return w
}

// knock is what a client hears: in the banner's place, or at RCPT.
func (w *world) knock(t testing.TB, addr string, early bool) (drop, atRcpt string) {
	t.Helper()
	c := &mail.Client{HELO: "client.test", Addr: netip.MustParseAddrPort(addr + ":1"), Early: early}
	s, err := w.Connect(t.Context(), c)
	if err != nil {
		return reply.For(err).String(), ""
	}
	defer s.Close()
	env := &mail.Envelope{ID: "x", From: path(t, "x@client.test"), Client: *c}
	tx, err := s.Mail(t.Context(), env)
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Close()
	return "", rcpt(t, tx, env, "a@alias.test")
}

func TestGate(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		action, client string
		early          bool
		drop, atRcpt   string
	}{
		{"drop", "192.0.2.9", false, "521 5.7.1", ""}, {"drop", "192.0.2.9", true, "521 5.5.1", ""},
		{"enforce", "192.0.2.9", false, "", "550 5.7.1"}, {"enforce", "192.0.2.9", true, "", "550 5.5.1"},
		{"ignore", "192.0.2.9", false, "", ""},
		{"drop", "192.0.2.8", false, "", ""}, {"enforce", "192.0.2.8", false, "", ""}, // listed, but not by enough
		{"drop", "192.0.2.7", true, "", ""}, // allowed
	} {
		drop, atRcpt := gated(t, c.action).knock(t, c.client, c.early)
		if !strings.HasPrefix(drop, c.drop) || (drop == "") != (c.drop == "") || atRcpt != c.atRcpt {
			t.Errorf("%+v: %q, %q", c, drop, atRcpt)
		}
	}
	w := gated(t, "ignore")
	w.knock(t, "192.0.2.9", false)
	if !w.log.Has("would be refused", "192.0.2.9", "zen.test") {
		t.Errorf("nothing in the log: %s", w.log.String())
	}
}

// TestPatience: the banner waits for strangers alone.
func TestPatience(t *testing.T) {
	t.Parallel()
	w := gated(t, "drop")
	for addr, want := range map[string]time.Duration{"192.0.2.9": time.Second, "192.0.2.7": 0} {
		if got := w.Patience(&mail.Client{Addr: netip.MustParseAddrPort(addr + ":1")}); got != want {
			t.Errorf("%s: %s", addr, got)
		}
	}
	w.trusted = true
	if drop, atRcpt := w.knock(t, "192.0.2.9", true); drop+atRcpt != "" || w.Patience(&mail.Client{Addr: netip.MustParseAddrPort("192.0.2.9:1")}) != 0 {
		t.Error("mynetworks are kept waiting")
	}
	w.Gate = nil
	if w.Patience(&mail.Client{}) != 0 {
		t.Error("no gate, and a wait")
	}
}
