// SPDX-License-Identifier: MIT

package smtpin

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"

	"posthouse/dkim"
	"posthouse/resolver"
)

// hiccup is a DNS that answers for policies and not for what they rest on.
type hiccup struct{ resolver.Resolver }

func (h hiccup) TXT(ctx context.Context, name string) ([]string, error) {
	if strings.HasPrefix(name, "_dmarc.") || strings.Contains(name, "pass.test") {
		return h.Resolver.TXT(ctx, name)
	}
	return nil, errors.New("SERVFAIL")
}

const signedBySelf = "DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed; d=reject.test; s=s; h=from; " +
	"bh=47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=; b=AAAA\r\n"

// TestUnsureIsNoFailure: where the DNS does not tell whether the author's domain stands behind a message, DMARC has not failed.
func TestUnsureIsNoFailure(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ from, signature, want string }{
		{"x@reject.test", "", "dmarc=temperror"},
		{"x@pass.test", signedBySelf, "dmarc=temperror"},
		{"x@pass.test", strings.Replace(signedBySelf, "d=reject.test", "d=other.test", 1), "550 5.7.1"},
		{"x@other.test", "", "550 5.7.1"},
		{"x@pass.test", "", "550 5.7.1"},
	} {
		z, err := resolver.ParseZone(senders)
		if err != nil {
			t.Fatal(err)
		}
		w := authenticating(t, "reject", hiccup{z})
		got, _, h := w.deliver(t, c.from, c.signature+"From: boss@reject.test\r\n\r\ntext\r\n")
		if got == "" {
			got = strings.Join(h.Values("Authentication-Results"), "")
		}
		if !strings.Contains(got, c.want) {
			t.Errorf("%s, %q: %q, want %s", c.from, c.signature, got, c.want)
		}
	}
}

// TestSlowKeyHidesNoFailure: a signature with a key that does not come does not keep another from failing.
func TestSlowKeyHidesNoFailure(t *testing.T) {
	t.Parallel()
	key, err := dkim.GenerateKey("rsa", 2048)
	if err != nil {
		t.Fatal(err)
	}
	record, err := dkim.Record(key)
	if err != nil {
		t.Fatal(err)
	}
	for range 5 {
		synctest.Test(t, func(t *testing.T) {
			z, err := resolver.ParseZone(senders + dkim.ZoneRecord("s", "reject.test", record))
			if err != nil {
				t.Fatal(err)
			}
			w := authenticating(t, "auto", slowKeys{z})
			got, _, h := w.deliver(t, "x@pass.test", slowlySigned+signedBySelf+"From: boss@reject.test\r\n\r\ntext\r\n")
			if !strings.HasPrefix(got, "550 5.7.1") {
				t.Errorf("%q: %v", got, h)
			}
		})
	}
}

// TestForgedResultsGoWithoutAuthentication: fields in our name are taken out, also where nobody checks senders here: a filter or a
// reader of ours may believe them.
func TestForgedResultsGoWithoutAuthentication(t *testing.T) {
	t.Parallel()
	w := newWorld(t, people)
	w.Hostname = "mx.test"
	_, _, h := w.deliver(t, "x@client.test", "Authentication-Results: mx.test; dmarc=pass\r\nAuthentication-Results: other.test; spf=pass\r\n"+hello)
	if all := h.Values("Authentication-Results"); len(all) != 1 || all[0] != "other.test; spf=pass" {
		t.Errorf("%q", all)
	}
}

// TestNobodyAsksAboutARefusedClient: a client that the gate has refused costs no look-ups of its own choosing.
func TestNobodyAsksAboutARefusedClient(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		z, err := resolver.ParseZone(senders)
		if err != nil {
			t.Fatal(err)
		}
		w := authenticating(t, "auto", broken{z, false}) // which panics when it is asked
		w.Gate = gated(t, "enforce").Gate
		tx, env := w.stranger(t, "x@fail.test")
		if got := rcpt(t, tx, env, "a@alias.test"); got != "550 5.7.1" {
			t.Errorf("%q", got)
		}
		synctest.Wait()
		tx.Close()
		if w.log.Has("panic") {
			t.Error("SPF was asked")
		}
	})
}

// TestASecondFromIsNoWayAround: whichever author a reader sees, his domain's policy holds.
func TestASecondFromIsNoWayAround(t *testing.T) {
	t.Parallel()
	const self, boss = "From: x@pass.test\r\n", "From: boss@reject.test\r\n"
	for text, want := range map[string]string{
		self + boss: "550 5.7.1", boss + self: "550 5.7.1", boss + boss: "550 5.7.1", strings.Repeat(self, 20) + boss: "550 5.7.1",
		boss + strings.Repeat(self, 20): "550 5.7.1", self + self: "", "Subject: nobody\r\n": "",
		"From: a@b1.test, a@b2.test, a@b3.test, a@b4.test, boss@reject.test\r\n": "550 5.7.1",
		"From: boss@reject.test, a@b1.test, a@b2.test, a@b3.test, a@b4.test\r\n": "550 5.7.1",
		"From: a@b..test, boss@reject.test\r\n":                                  "550 5.7.1",
	} {
		w := authenticating(t, "auto", nil)
		if got, _, h := w.deliver(t, "x@pass.test", text+"\r\ntext\r\n"); len(got) < len(want) || got[:len(want)] != want || want == "" && got != "" {
			t.Errorf("%q: %q, want %q: %s", text, got, want, h)
		}
	}
}
