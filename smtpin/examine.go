// SPDX-License-Identifier: MIT

package smtpin

import (
	"context"
	"fmt"
	"runtime/debug"
	"time"

	"posthouse/authres"
	"posthouse/dmarc"
	"posthouse/mail"
	"posthouse/milter"
	"posthouse/spf"
)

// examine looks at the text, and changes the draft as filters and tables want it.
func (t *transaction) examine(ctx context.Context, d *draft) error {
	ctx, cancel := sooner(ctx)
	defer cancel()
	if err := t.check(ctx, d); err != nil || t.effects.Discard != "" {
		return err
	}
	found, result := t.ask(ctx, d)
	d.keep(result.Body)
	t.noteFilters(result.Notes)
	if err := t.obey(result.Verdict); err != nil || t.effects.Discard != "" {
		return err
	}
	if err := t.judgeSender(d, found, result.Spoke); err != nil {
		return err
	}
	if err := d.edit(result); err != nil {
		return err
	}
	d.hold(result.Hold)
	t.affect(d)
	if found != nil {
		d.prepend(t.fields(ctx, *found)...)
	}
	return nil
}

// ask has the filters see the text and, beside them, asks who stands behind it; nil for those about whom nobody asks. Both end
// before it returns.
func (t *transaction) ask(ctx context.Context, d *draft) (*authenticated, milter.Result) {
	filters := t.filters
	if d.pass {
		filters = nil
	}
	t.shown = filters != nil
	wanted := t.wanted()
	if wanted || filters != nil {
		d.uncover()
	}
	if t.stranger() { // whoever checks here: what claims to be ours is not (RFC 8601 5)
		authres.Strip(&d.msg.Header, t.service.names()...)
	}
	if !wanted {
		return nil, filters.Message(ctx, t.env, &d.msg)
	}
	if filters == nil {
		found := t.service.Authentication.authenticate(ctx, t.spf, d.signed())
		return &found, milter.Result{}
	}
	asking, cancel := context.WithCancel(ctx)
	defer cancel()
	answer := make(chan authenticated, 1)
	go t.authenticateBeside(asking, d.signed(), answer)
	result := filters.Message(ctx, t.env, &d.msg)
	if result.Action != milter.Continue {
		cancel() // nobody wants to know any more
	}
	found := <-answer
	return &found, result
}

// authenticateBeside sends one answer, whatever happens.
func (t *transaction) authenticateBeside(ctx context.Context, msg *mail.Message, answer chan<- authenticated) {
	found := authenticated{
		spf: spf.Result{Status: spf.TempError, Identity: spf.MailFrom}, dmarc: dmarc.Result{Status: dmarc.TempError, Disposition: dmarc.Nothing},
	}
	defer func() {
		if p := recover(); p != nil {
			t.service.Log.Error("panic", "in", "authentication", "id", string(t.env.ID), "cause", fmt.Sprintf("%v\n%s", p, debug.Stack()))
		}
		answer <- found
	}()
	found = t.service.Authentication.authenticate(ctx, t.spf, msg)
}

// reserve is what is left of the time for our answer when the checks have to end: the commit needs some too.
const reserve = 5 * time.Second

// sooner ends a while before ctx does, so that whoever is asked can say what it was waiting for.
func sooner(ctx context.Context) (context.Context, context.CancelFunc) {
	end, ok := ctx.Deadline()
	if !ok {
		return context.WithCancel(ctx)
	}
	return context.WithDeadline(ctx, end.Add(-min(reserve, time.Until(end)/4)))
}

// affect does what access tables and checks want of the message as a whole (access(5)).
func (t *transaction) affect(d *draft) {
	e := &t.effects
	d.hold(e.Hold)
	d.prepend(e.Prepend...)
	for _, to := range e.Bcc {
		d.recipients = append(d.recipients, given{mail.Recipient{To: to, Given: to, Notify: mail.NotifyNever}, "BCC"})
	}
	if e.Redirect != nil {
		t.service.Metrics.effect("redirect")
		d.recipients = []given{{mail.Recipient{To: *e.Redirect, Given: *e.Redirect}, "REDIRECT"}}
	}
}

// hold keeps the first reason.
func (d *draft) hold(why string) {
	if d.env.Hold == "" {
		d.env.Hold = why
	}
}
