// SPDX-License-Identifier: MIT

package smtpin

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"

	"posthouse/mail"
	"posthouse/policy"
	"posthouse/policy/content"
	"posthouse/reply"
	"posthouse/resolver"
)

// slowKeys is a DNS in which the keys of slow.test take for ever.
type slowKeys struct{ resolver.Resolver }

func (s slowKeys) TXT(ctx context.Context, name string) ([]string, error) {
	if strings.Contains(name, "slow.test") {
		<-ctx.Done()
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	return s.Resolver.TXT(ctx, name)
}

// slowlySigned is a field that anybody can put on any message.
const slowlySigned = "DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed; d=slow.test; s=s; h=from; " +
	"bh=47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=; b=AAAA\r\n"

// TestSlowKeys: a stranger whose names are slow can switch off neither another's DMARC policy nor what SPF has found.
func TestSlowKeys(t *testing.T) {
	t.Parallel()
	for range 20 { // a select of two that are ready picks any
		synctest.Test(t, func(t *testing.T) {
			z, err := resolver.ParseZone(senders)
			if err != nil {
				t.Fatal(err)
			}
			w := authenticating(t, "auto", slowKeys{z})
			if got, _, h := w.deliver(t, "x@pass.test", slowlySigned+"From: boss@reject.test\r\n\r\ntext\r\n"); !strings.HasPrefix(got, "550 5.7.1") {
				t.Errorf("DMARC: %q: %v", got, h)
			}
			if _, env, h := w.deliver(t, "x@fail.test", slowlySigned+hello); !env.Unauthenticated {
				t.Errorf("SPF: %s", h)
			}
		})
	}
}

// verifying notes which addresses are verified; nobody answers for srs.test, whose server we are.
type verifying struct {
	policy.Facts
	asked *[]string
}

func (v verifying) Verify(_ context.Context, p mail.Path) error {
	*v.asked = append(*v.asked, p.String())
	if p.Domain() == "srs.test" {
		return reply.LocalError.Because(errors.New("we are its MX"))
	}
	return nil
}

// TestBounceIsVerifiedWhereItGoes: a bounce to a rewritten sender is no stranger's address.
func TestBounceIsVerifiedWhereItGoes(t *testing.T) {
	t.Parallel()
	w := newWorld(t, people)
	var asked []string
	w.Facts = verifying{outside{world: w}, &asked}
	w.Lists.Recipient = list(t, "reject_unverified_recipient")
	rewritten, err := w.SRS.Forward(path(t, "x@client.test"))
	if err != nil {
		t.Fatal(err)
	}
	tx, env := w.begin(t, "")
	if got := rcpt(t, tx, env, rewritten.String()); got != "" || len(asked) != 1 || asked[0] != "x@client.test" {
		t.Errorf("%q, asked about %q", got, asked)
	}
}

// TestReplacedLineKeepsItsOctets: what a body_checks line takes over from the text need not be UTF-8.
func TestReplacedLineKeepsItsOctets(t *testing.T) {
	t.Parallel()
	w := newWorld(t, people)
	w.Spool = spool{}
	checks := open(t, "regexp:"+file(t, "/^(.*)secret$/ REPLACE ${1}public\n"))
	w.Checks = func() *content.Checks { return &content.Checks{Body: checks.View()} }
	tx, env := w.begin(t, "x@client.test")
	rcpt(t, tx, env, "a@alias.test")
	if got := send(t, tx, env, "Subject: x\r\n\r\ncaf\xe9 secret\r\n"); got != "" {
		t.Fatal(got)
	}
	if text := w.queue.Last().Text; !strings.HasSuffix(text, "caf\xe9 public\r\n") {
		t.Errorf("%q", text)
	}
}
