// SPDX-License-Identifier: MIT

package relay

import (
	"context"
	"strings"
	"testing"
	"time"

	"posthouse/internal/maillab"
	"posthouse/reply"
	"posthouse/upstream"
)

// code is an error's reply in short, "" for nil.
func code(err error) string {
	if err == nil {
		return ""
	}
	r := reply.For(err)
	return strings.Fields(r.String())[0] + " " + r.Enhanced
}

func TestMailboxes(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		script maillab.Script
		want   string
		asks   int // RCPTs for two questions
	}{
		{"takes it", nil, "", 1},
		{"does not know it", maillab.On("RCPT", maillab.Action{Reply: "550 5.1.1 unknown"}), "550 5.1.1", 1},
		{"is full", maillab.On("RCPT", maillab.Action{Reply: "552 5.2.2 full"}), "550 5.2.2", 1},
		{"is not sure", maillab.On("RCPT", maillab.Action{Reply: "451 4.3.0 later"}), "451 4.4.1", 2},
		{"says goodbye", maillab.On("RCPT", maillab.Action{Reply: "421 4.3.2 bye", Close: true}), "451 4.4.1", 2},
		{"refuses the null sender", maillab.On("MAIL", maillab.Action{Reply: "550 5.7.1 no bounces"}), "451 4.4.1", 0},
		{"greets with 554", maillab.On("BANNER", maillab.Action{Reply: "554 5.7.1 not you"}), "451 4.4.1", 0},
		{"refuses LHLO", maillab.On("LHLO", maillab.Action{Reply: "550 5.7.1 not you"}), "451 4.4.1", 0},
		{"talks nonsense", maillab.On("RCPT", maillab.Action{Reply: "354 go"}), "451 4.4.1", 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			l := newLab(t, world, Options{})
			asked := 0
			l.sink("192.0.2.31:24", maillab.SinkOptions{LMTP: true, Script: func(e maillab.Event) maillab.Action {
				if e.Verb == "RCPT" {
					asked++
				}
				if c.script == nil {
					return maillab.Action{}
				}
				return c.script(e)
			}})
			m := l.Mailboxes(upstream.New([]upstream.Server{member("192.0.2.31", false)}, upstream.Options{}))
			for range 2 {
				if got := code(m.Takes(t.Context(), address(t, "a@b.test"))); got != c.want {
					t.Errorf("%s, want %s", got, c.want)
				}
			}
			if asked != c.asks {
				t.Errorf("asked %d times, want %d", asked, c.asks)
			}
		})
	}
}

func TestMailboxesForgetAndGoToTheBackup(t *testing.T) {
	t.Parallel()
	now := time.Unix(1e9, 0)
	l := newLab(t, world, Options{Now: func() time.Time { return now }})
	g := upstream.New([]upstream.Server{member("192.0.2.31", false), member("192.0.2.32", true)}, upstream.Options{})
	s := l.sink("192.0.2.32:24", maillab.SinkOptions{LMTP: true, Script: maillab.On("RCPT", maillab.Action{Reply: "550 5.1.1 unknown"})})
	m := l.Mailboxes(g)
	ask := func() string { return code(m.Takes(t.Context(), address(t, "a@b.test"))) }
	if got := ask(); got != "550 5.1.1" {
		t.Error(got)
	}
	s.Behave(nil)
	if got := ask(); got != "550 5.1.1" {
		t.Errorf("within a minute: %s", got)
	}
	now = now.Add(noHolds)
	if got := ask(); got != "" {
		t.Errorf("after a minute: %s", got)
	}
	env, msg := letter(t, "a@b.test")
	if got := words(l.LMTP(g).Carry(t.Context(), env, msg)); got != "delivered 250 2.0.0" || s.Connections() != 1 {
		t.Errorf("%s; a delivery on the same conversation, %d connections", got, s.Connections())
	}
}

func TestMailboxesAreBounded(t *testing.T) {
	t.Parallel()
	l := newLab(t, world, Options{})
	m := l.Mailboxes(upstream.New(nil, upstream.Options{}))
	p := address(t, "a@b.test")
	for i := range maxMailboxes + 1 {
		m.remember(p.WithDomain(strings.Repeat("x", i%5)+string(rune('a'+i%26))+time.Duration(i).String()), reply.OK)
	}
	if len(m.known.known) > maxMailboxes {
		t.Errorf("%d remembered", len(m.known.known))
	}
}

// A kept conversation that the store has ended is no answer, and no failure of the store either.
func TestMailboxesOnAStaleConversation(t *testing.T) {
	t.Parallel()
	l := newLab(t, world, Options{Idle: Idle{Time: time.Minute}})
	l.sink("192.0.2.31:24", maillab.SinkOptions{LMTP: true, Script: maillab.On("RCPT", maillab.Action{Reply: "250 2.1.5 Ok", Close: true})})
	g := upstream.New([]upstream.Server{member("192.0.2.31", false), member("192.0.2.32", true)}, upstream.Options{})
	m := l.Mailboxes(g)
	for _, to := range []string{"a@b.test", "b@b.test", "c@b.test"} {
		if got := code(m.Takes(t.Context(), address(t, to))); got != "" {
			t.Errorf("%s: %s", to, got)
		}
	}
	if got := l.tried(); strings.Contains(got, "192.0.2.32") {
		t.Errorf("tried %s", got)
	}
}

func TestMailboxesWaitTheirTurn(t *testing.T) {
	t.Parallel()
	l := newLab(t, world, Options{})
	m := l.Mailboxes(upstream.New(nil, upstream.Options{}))
	for range maxAsking {
		m.turns <- struct{}{}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if got := code(m.Takes(ctx, address(t, "a@b.test"))); got != "451 4.4.1" {
		t.Error(got)
	}
	m.remember(address(t, "known@b.test"), reply.OK)
	if got := code(m.Takes(ctx, address(t, "known@b.test"))); got != "" {
		t.Errorf("what is known needs no turn: %s", got)
	}
}
