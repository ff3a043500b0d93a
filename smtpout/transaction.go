// SPDX-License-Identifier: MIT

package smtpout

import (
	"context"

	"posthouse/mail"
	"posthouse/milter"
	"posthouse/policy"
)

// transaction is one message.
type transaction struct {
	service *Service
	client  *mail.Client
	env     *mail.Envelope
	facts   policy.Facts
	filters *milter.Session
	effects policy.Effects
	shown   bool         // the filters have seen the whole message
	written []mail.Draft // bodies written anew
}

// Close gives the message up, unless it is done with.
func (t *transaction) Close() {
	if !t.shown {
		t.filters.Reset()
	}
}

// Rcpt judges the restriction lists, and asks the filters.
func (t *transaction) Rcpt(ctx context.Context, to mail.Recipient) error {
	q := t.question(policy.Rcpt)
	q.To = to.To
	if err := t.obeyLists(q, t.service.Lists.Rcpt(ctx, q)); err != nil || t.effects.Discard != "" {
		return err
	}
	return t.obey(t.filters.Rcpt(ctx, t.env, to))
}

// Data asks the data list and the filters, before the text is taken.
func (t *transaction) Data(ctx context.Context) error {
	if t.effects.Discard != "" {
		return nil
	}
	q := t.question(policy.Data)
	if len(t.env.Recipients) == 1 {
		q.To = t.env.Recipients[0].To
	}
	if err := t.obeyLists(q, t.service.Lists.AtData(ctx, q)); err != nil || t.effects.Discard != "" {
		return err
	}
	return t.obey(t.filters.Data(ctx, t.env))
}

func (t *transaction) question(at policy.Stage) *policy.Question {
	return &policy.Question{Stage: at, Client: t.client, From: t.env.From, Env: t.env, Facts: t.facts, Effects: &t.effects}
}

// obeyLists does what the restriction lists say.
func (t *transaction) obeyLists(q *policy.Question, v policy.Verdict) error {
	if len(q.Warned)+len(q.Noted) > 0 {
		q.LogWarned(t.service.Log, t.env.ID)
	}
	if v.Action == policy.Discard && t.effects.Discard == "" {
		t.effects.Discard = v.Rule
	}
	return v.Err()
}

// obey does what the filters say at one stage.
func (t *transaction) obey(v milter.Verdict) error {
	switch {
	case v.Refused():
		return v.Reply
	case v.Action == milter.Discard && t.effects.Discard == "":
		t.effects.Discard = "milter " + v.Milter
	}
	return nil
}
