// SPDX-License-Identifier: MIT

package smtpin

import (
	"context"

	"posthouse/alias"
	"posthouse/mail"
	"posthouse/milter"
	"posthouse/policy"
	"posthouse/smtpd"
)

// transaction is one message.
type transaction struct {
	service  *Service
	client   *mail.Client
	env      *mail.Envelope
	aliases  *alias.Snapshot
	facts    policy.Facts
	filters  *milter.Session
	refusal  error // of every recipient
	effects  policy.Effects
	trails   trails
	spf      *spfCheck // nil: nobody is asked
	expanded int       // how many the recipients so far have become
	shown    bool      // the filters have seen the whole message
}

// Mail opens a transaction, which keeps the tables as they are now to its end, and tells the filters.
func (s *session) Mail(ctx context.Context, env *mail.Envelope) (smtpd.Transaction, error) {
	t := &transaction{
		service: s.service, client: s.client, env: env, aliases: s.service.Aliases.Snapshot(), filters: s.filters, refusal: s.refusal,
	}
	t.facts = policy.Remembered(&facts{s.service.Facts, t})
	t.trails.mail = s.service.newTrail()
	if err := t.obey(s.filters.Mail(ctx, env)); err != nil {
		err = t.refused("mail", mail.Path{}, err) // with what the filters said, which Reset forgets
		s.filters.Reset()
		return nil, err
	}
	if t.refusal == nil && t.wanted() && t.service.Authentication.SPF {
		t.beginSPF(ctx)
	}
	return t, nil
}

// Close gives the message up, unless it is done with.
func (t *transaction) Close() {
	if !t.shown {
		t.filters.Reset()
	}
	if t.spf != nil {
		t.spf.cancel()
	}
}

// obey does what the filters say at one stage of the dialogue.
func (t *transaction) obey(v milter.Verdict) error {
	if v.Action == milter.Continue {
		return nil
	}
	t.service.Metrics.filter(v)
	switch {
	case v.Refused():
		return v.Reply
	case v.Action == milter.Discard && t.effects.Discard == "":
		t.effects.Discard = "milter " + v.Milter
	}
	return nil
}

// Data asks the data list and the filters, before the text is taken.
func (t *transaction) Data(ctx context.Context) error {
	t.trails.text = t.service.newTrail()
	if err := t.judgeData(ctx); err != nil {
		return t.refused("data", mail.Path{}, err)
	}
	return nil
}

func (t *transaction) judgeData(ctx context.Context) error {
	if t.effects.Discard != "" {
		return nil
	}
	q := t.question(policy.Data, t.trails.text)
	if len(t.env.Recipients) == 1 {
		q.To = t.env.Recipients[0].To
	}
	if err := t.obeyLists(q, t.service.Lists.AtData(ctx, q)); err != nil || t.effects.Discard != "" {
		return err
	}
	return t.obey(t.filters.Data(ctx, t.env))
}

// question is what the lists are asked, but for the recipient.
func (t *transaction) question(at policy.Stage, trail *policy.Trail) *policy.Question {
	return &policy.Question{
		Stage: at, Client: t.client, From: t.env.From, Env: t.env, Effects: &t.effects, Trail: trail,
		Facts: written(t.facts, trail, t.service.explaining != nil),
	}
}

// obeyLists does what the restriction lists say.
func (t *transaction) obeyLists(q *policy.Question, v policy.Verdict) error {
	if len(q.Warned)+len(q.Noted) > 0 {
		q.LogWarned(t.service.Log, t.env.ID)
	}
	if v.Action == policy.Discard && t.effects.Discard == "" {
		t.effects.Discard = v.Rule
	}
	err := v.Err()
	if err != nil {
		t.service.Metrics.rule(v)
	}
	return err
}
