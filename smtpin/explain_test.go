// SPDX-License-Identifier: MIT

package smtpin

import (
	"net/netip"
	"slices"
	"strings"
	"testing"

	"posthouse/internal/maillab"
	"posthouse/mail"
	"posthouse/policy"
	"posthouse/resolver"
)

// explain runs a case from 192.0.2.9.
func (w *world) explain(t testing.TB, from, text string, to ...string) Explanation {
	t.Helper()
	z, err := resolver.ParseZone(senders)
	if err != nil {
		t.Fatal(err)
	}
	c := Case{Client: mail.Client{Addr: netip.MustParseAddrPort("192.0.2.9:0"), HELO: "client.test"}, From: path(t, from)}
	for _, s := range to {
		c.To = append(c.To, path(t, s))
	}
	if text != "" {
		if c.Message, err = mail.ReadMessage(strings.NewReader(text), 1<<20); err != nil {
			t.Fatal(err)
		}
	}
	return w.Explain(t.Context(), Outside{w.Facts, z}, c)
}

func (e Explanation) last() string { return e.Replies[len(e.Replies)-1].Reply }

// has reports a step with these words.
func (e Explanation) has(words ...string) bool {
	return slices.ContainsFunc(e.Steps, func(s policy.Step) bool {
		text := strings.Join([]string{s.At, s.List, s.Rule, s.Asked, s.Answer}, " ")
		for _, w := range words {
			if !strings.Contains(text, w) {
				return false
			}
		}
		return true
	})
}

// TestExplain: the reply is the one that mail would get, each question is there, who would get it is known, and nothing is queued.
func TestExplain(t *testing.T) {
	t.Parallel()
	w := authenticating(t, "auto", nil)
	w.Trails = new(policy.Trails)
	w.Lists.Relay = list(t, "permit_mynetworks", "reject_unauth_destination")
	e := w.explain(t, "x@pass.test", "", "a@alias.test")
	if e.last() != "250 2.1.5 Ok" || len(e.Recipients) != 1 || e.Recipients[0].To != "a@drop.test" {
		t.Errorf("%+v %+v", e.Replies, e.Recipients)
	}
	for _, want := range [][]string{
		{"connect", "192.0.2.9", "client.test"}, {"rcpt", "relay_restrictions", "client in mynetworks", "no"},
		{"rcpt", "reject_unauth_destination", "authorised a@alias.test", "yes"}, {"expand", "a@drop.test", "a@alias.test"}, {"mail", "spf", "pass"},
	} {
		if !e.has(want...) {
			t.Errorf("no step %q in %+v", want, e.Steps)
		}
	}
	if e := w.explain(t, "x@pass.test", "", "a@elsewhere.test"); !strings.HasPrefix(e.last(), "554 5.7.1 ") || len(e.Recipients) != 0 {
		t.Errorf("relay: %+v", e)
	}
	if e := w.explain(t, "x@pass.test", "", "nobody@alias.test"); !strings.HasPrefix(e.last(), "550 5.1.1 ") {
		t.Errorf("unknown: %+v", e.Replies)
	}
	if _, queued := w.queue.Next(); queued || len(w.Trails.Last(10)) > 0 || strings.TrimSpace(w.log.String()) != "" {
		t.Errorf("a run left something behind: %v %q", w.Trails.Last(10), w.log.String())
	}
}

// TestExplainMessage goes on to the final dot, and shows the header as it would be queued, and the sender of who leaves us.
func TestExplainMessage(t *testing.T) {
	t.Parallel()
	w := authenticating(t, "auto", nil)
	w.write(t, "a@alias.test a@far.test\n")
	if _, err := w.maps.Reload(); err != nil {
		t.Fatal(err)
	}
	e := w.explain(t, "x@pass.test", hello, "a@alias.test")
	if !strings.HasPrefix(e.last(), "250 2.0.0 ") || len(e.Header) < 4 || !strings.HasPrefix(e.Header[0], "Authentication-Results: mx.test;") {
		t.Fatalf("%+v %q", e.Replies, e.Header)
	}
	if len(e.Recipients) != 1 || !strings.HasSuffix(e.Recipients[0].Sender, "@srs.test") || e.Recipients[0].Given != "a@alias.test" {
		t.Errorf("%+v", e.Recipients)
	}
	e = w.explain(t, "x@pass.test", "From: x@reject.test\r\n\r\ntext\r\n", "a@alias.test")
	if !strings.HasPrefix(e.last(), "550 5.7.1 ") || len(e.Recipients) != 0 || !e.has("dmarc", "fail", "p=reject of reject.test") {
		t.Errorf("%+v", e)
	}
	if _, queued := w.queue.Next(); queued {
		t.Error("queued")
	}
}

// TestExplainFilters: filters are asked for real, and their answers shown.
func TestExplainFilters(t *testing.T) {
	t.Parallel()
	w := filtered(t, maillab.NewFilter(t, "y550 5.7.1 no thanks\x00"), "tempfail")
	e := w.explain(t, "x@client.test", hello, "a@alias.test")
	if e.last() != "550 5.7.1 no thanks" || !e.has("milter", "no thanks") {
		t.Errorf("%+v %+v", e.Replies, e.Steps)
	}
	dead := maillab.NewFilter(t)
	dead.Close()
	e = filtered(t, dead, "tempfail").explain(t, "x@client.test", hello, "a@alias.test")
	if e.last() != "451 4.7.1 Service unavailable - try again later" || !e.has("connect", "milter", "failed: tempfail", "connection refused") {
		t.Errorf("%+v %+v", e.Replies, e.Steps)
	}
}
