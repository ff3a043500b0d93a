// SPDX-License-Identifier: MIT

package smtpin

import (
	"context"
	"fmt"
	"runtime/debug"
	"time"

	"posthouse/dkim"
	"posthouse/dmarc"
	"posthouse/mail"
	"posthouse/resolver"
	"posthouse/spf"
)

// Authentication asks who stands behind a message: SPF for the client, DKIM for the text, DMARC for the domain in From. A nil
// Authentication asks nothing.
type Authentication struct {
	AuthenticationConfig
	Hostname string
	Resolver resolver.Resolver
}

// NewAuthentication is that of a section; nil if nothing is to be asked.
func NewAuthentication(c AuthenticationConfig, hostname string, names resolver.Resolver) *Authentication {
	if !c.SPF && !c.DKIM && !c.DMARC {
		return nil
	}
	if c.AuthservID == "" {
		c.AuthservID = hostname
	}
	return &Authentication{c, hostname, names}
}

// authenticated is what was found out about one message.
type authenticated struct {
	spf   spf.Result
	dkim  []dkim.Result
	dmarc dmarc.Result
	took  time.Duration // after the final dot
}

// spfCheck is one that runs beside the dialogue.
type spfCheck struct {
	cancel context.CancelFunc
	result chan spf.Result // one, whatever happens
	late   spf.Result      // what is known if it does not come in time
}

// wanted reports a client about whom is asked: a stranger with an address.
func (t *transaction) wanted() bool {
	return t.service.Authentication != nil && t.client.Addr.IsValid() && t.stranger()
}

// stranger reports a client that is none of ours.
func (t *transaction) stranger() bool {
	return t.client.Login == "" && !t.service.Facts.Trusted(t.client)
}

// names are under which Authentication-Results are our word.
func (s *Service) names() []string {
	if s.Authentication == nil {
		return []string{s.Hostname}
	}
	return []string{s.Authentication.AuthservID, s.Hostname}
}

// beginSPF asks about MAIL while the dialogue goes on. The goroutine holds nothing of the transaction.
func (t *transaction) beginSPF(ctx context.Context) {
	a := t.service.Authentication
	ctx, cancel := context.WithTimeout(ctx, time.Duration(a.Timeout))
	late := spf.Result{Status: spf.TempError, Identity: spf.MailFrom, Domain: t.env.From.Domain()}
	t.spf = &spfCheck{cancel, make(chan spf.Result, 1), late}
	client, from, result := t.env.Client, t.env.From, t.spf.result
	log := t.service.Log
	go func() {
		r := late
		defer func() {
			if p := recover(); p != nil {
				r.Status, r.Err = spf.TempError, fmt.Errorf("panic: %v", p)
				log.Error("panic", "in", "spf", "client", client.Addr.String(), "cause", fmt.Sprintf("%v\n%s", p, debug.Stack()))
			}
			cancel()
			result <- r
		}()
		r = spf.Check(ctx, spf.Options{Resolver: a.Resolver, Hostname: a.Hostname, Timeout: time.Duration(a.Timeout)}, client.Addr.Addr(), client.HELO, from)
	}()
}

// authenticate asks about the text. What cannot be had by the deadline is temperror.
func (a *Authentication) authenticate(ctx context.Context, check *spfCheck, msg *mail.Message) (found authenticated) {
	start := time.Now()
	ctx, cancel := context.WithTimeout(ctx, time.Duration(a.Timeout))
	defer cancel()
	asking, enough := part(ctx, 3, 4) // a stranger with slow names must leave time for DMARC
	defer enough()
	if a.DKIM {
		keys, late := part(ctx, 1, 2) // and one slow key for the other signatures, which wait for it before they see the text
		found.dkim = dkim.Verify(asking, msg, a.keys(keys))
		late()
	}
	if check != nil {
		found.spf = check.wait(asking)
	}
	if a.DMARC {
		found.dmarc = a.align(ctx, found, msg.Header)
	}
	found.took = time.Since(start)
	return found
}

// part ends when some of the time that ctx has is over.
func part(ctx context.Context, some, of time.Duration) (context.Context, context.CancelFunc) {
	end, ok := ctx.Deadline()
	if !ok {
		return context.WithCancel(ctx)
	}
	return context.WithDeadline(ctx, time.Now().Add(time.Until(end)*some/of))
}

// keys asks for the keys of signatures while ctx lasts. It is called by goroutines of the library, where nobody catches a panic.
func (a *Authentication) keys(ctx context.Context) dkim.Lookup {
	return func(_ context.Context, name string) (records []string, err error) {
		defer func() {
			if p := recover(); p != nil {
				err = fmt.Errorf("look up %s: panic: %v", name, p)
			}
		}()
		return a.Resolver.TXT(ctx, name)
	}
}

// wait is the result, or that there is none in time.
func (c *spfCheck) wait(ctx context.Context) spf.Result {
	select {
	case r := <-c.result:
		c.result <- r // for who asks again
		return r
	case <-ctx.Done():
	}
	select { // both may have been ready: what is known counts
	case r := <-c.result:
		c.result <- r
		return r
	default:
		r := c.late
		r.Err = ctx.Err()
		return r
	}
}
