// SPDX-License-Identifier: MIT

package smtpin

import (
	"context"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"posthouse/mail"
	"posthouse/resolver"
	"posthouse/smtpd"
)

const senders = `
fail.test. TXT "v=spf1 ip4:192.0.2.1 -all"
pass.test. TXT "v=spf1 ip4:192.0.2.9 -all"
reject.test. TXT "v=spf1 ip4:192.0.2.1 -all"
_dmarc.reject.test. TXT "v=DMARC1; p=reject"
quarantine.test. TXT "v=spf1 ip4:192.0.2.1 -all"
_dmarc.quarantine.test. TXT "v=DMARC1; p=quarantine"
9.2.0.192.in-addr.arpa. PTR client.test.
client.test. A 192.0.2.9
`

// authenticating is a world that asks the DNS about senders, or about nothing if enforcement is "".
func authenticating(t testing.TB, enforcement string, names resolver.Resolver) *world {
	t.Helper()
	w := newWorld(t, people)
	if names == nil {
		z, err := resolver.ParseZone(senders)
		if err != nil {
			t.Fatal(err)
		}
		names = z
	}
	var c AuthenticationConfig
	c.SetDefaults()
	c.DMARCEnforcement = enforcement
	w.Hostname, w.Authentication = "mx.test", NewAuthentication(c, "mx.test", names)
	return w
}

// stranger opens a transaction from 192.0.2.9.
func (w *world) stranger(t testing.TB, from string) (smtpd.Transaction, *mail.Envelope) {
	t.Helper()
	c := &mail.Client{HELO: "client.test", Name: "client.test", Addr: netip.MustParseAddrPort("192.0.2.9:1")}
	s, err := w.Connect(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	env := &mail.Envelope{ID: mail.NewID(time.Now()), From: path(t, from), Client: *c}
	tx, err := s.Mail(t.Context(), env)
	if err != nil {
		t.Fatal(err)
	}
	return tx, env
}

// deliver sends one message from a stranger: the reply, and what was queued.
func (w *world) deliver(t testing.TB, from, text string) (string, mail.Envelope, *mail.Header) {
	t.Helper()
	tx, env := w.stranger(t, from)
	if got := rcpt(t, tx, env, "a@alias.test"); got != "" {
		t.Fatal(got)
	}
	got := send(t, tx, env, text)
	m, ok := w.queue.Next()
	if !ok {
		return got, mail.Envelope{}, nil
	}
	return got, m.Envelope, header(t, m)
}

// TestResults: what was found out is written on top, and what a stranger wrote in our name is gone.
func TestResults(t *testing.T) {
	t.Parallel()
	w := authenticating(t, "auto", nil)
	_, env, h := w.deliver(t, "x@pass.test", "Authentication-Results: mx.test; dmarc=pass\r\nAuthentication-Results: other.test; spf=pass\r\n"+hello)
	if env.Unauthenticated {
		t.Error("who passes is authenticated")
	}
	all := h.Values("Authentication-Results")
	if len(all) != 2 || !strings.HasPrefix(all[0], "mx.test;") || all[1] != "other.test; spf=pass" {
		t.Fatalf("%q", all)
	}
	for _, want := range []string{"spf=pass", "smtp.mailfrom=", "dkim=none", "dmarc=none", "iprev=pass"} {
		if !strings.Contains(all[0], want) {
			t.Errorf("no %s: %s", want, all[0])
		}
	}
	if !strings.HasPrefix(strings.ToLower(h.Get("Received-SPF")), "pass") {
		t.Errorf("Received-SPF: %q", h.Get("Received-SPF"))
	}
	fields := h.Fields()
	if !fields[0].Is("Authentication-Results") || !fields[1].Is("Received-SPF") || !fields[2].Is("Received") {
		t.Errorf("the order: %q", fields[:3])
	}
}

// TestUnauthenticated: mail whose sender is somebody else is marked, so that he hears nothing of it.
func TestUnauthenticated(t *testing.T) {
	t.Parallel()
	w := authenticating(t, "off", nil)
	for from, want := range map[string]bool{"x@fail.test": true, "x@pass.test": false, "x@silent.test": false, "": false} {
		if got, env, _ := w.deliver(t, from, hello); got != "" || env.Unauthenticated != want {
			t.Errorf("%s: %q, %v", from, got, env.Unauthenticated)
		}
	}
}

// TestDMARC: what a domain asks for is done as far as the operator wants it.
func TestDMARC(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ enforcement, author, want string }{
		{"auto", "reject.test", "550 5.7.1"}, {"auto", "quarantine.test", ""},
		{"reject", "reject.test", "550 5.7.1"}, {"reject", "quarantine.test", "held"},
		{"quarantine", "reject.test", "held"}, {"quarantine", "quarantine.test", "held"},
		{"off", "reject.test", ""}, {"off", "quarantine.test", ""}, {"reject", "silent.test", ""},
		{"auto", "pass.test, boss@reject.test", "550 5.7.1"}, // a first author is no way around the second one's policy
	} {
		w := authenticating(t, c.enforcement, nil)
		got, env, h := w.deliver(t, "x@pass.test", "From: x@"+c.author+"\r\n\r\ntext\r\n")
		if env.Hold != "" {
			got = "held"
		}
		if got == "" && c.enforcement == "off" && !strings.Contains(h.Get("Authentication-Results"), "policy.dmarc="+c.author[:6]) {
			t.Errorf("the field does not tell what %s asks for: %s", c.author, h)
		}
		if got != c.want && (c.want == "" || !strings.HasPrefix(got, c.want)) {
			t.Errorf("%s, %s: %q, want %q", c.enforcement, c.author, got, c.want)
		}
	}
}

// TestTrustedIsNotAsked: nobody asks about our own networks.
func TestTrustedIsNotAsked(t *testing.T) {
	t.Parallel()
	w := authenticating(t, "reject", nil)
	w.trusted = true
	w.Lists.Relay = list(t, "permit_mynetworks", "reject_unauth_destination")
	got, env, h := w.deliver(t, "x@fail.test", "From: x@reject.test\r\n\r\ntext\r\n")
	if got != "" || env.Unauthenticated || h.Has("Authentication-Results") {
		t.Errorf("%q, %v, %s", got, env.Unauthenticated, h)
	}
}

// broken is a DNS that panics, or does not answer.
type broken struct {
	resolver.Resolver
	silent bool
}

func (b broken) TXT(ctx context.Context, _ string) ([]string, error) {
	if !b.silent {
		panic("resolver")
	}
	<-ctx.Done()
	return nil, ctx.Err()
}

// TestBrokenDNS: neither a panic beside the dialogue nor a silent DNS ends the process, loses mail or makes it wait for ever. What is
// not known does not pass.
func TestBrokenDNS(t *testing.T) {
	t.Parallel()
	for _, silent := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			z, _ := resolver.ParseZone(senders)
			w := authenticating(t, "reject", broken{z, silent})
			start := time.Now()
			got, env, h := w.deliver(t, "x@fail.test", hello)
			if got != "" || env.Unauthenticated || !strings.Contains(h.Get("Authentication-Results"), "spf=temperror") {
				t.Errorf("%q, %v, %s", got, env.Unauthenticated, h)
			}
			if took := time.Since(start); took > time.Duration(w.Authentication.Timeout) {
				t.Errorf("took %s", took)
			}
			synctest.Wait()
		})
	}
}

// TestClientLeaves: what was asked beside the dialogue ends with the transaction.
func TestClientLeaves(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		z, _ := resolver.ParseZone(senders)
		w := authenticating(t, "auto", broken{z, true})
		tx, _ := w.stranger(t, "x@fail.test")
		tx.Close()
		synctest.Wait() // the bubble ends only when all goroutines have
	})
}
