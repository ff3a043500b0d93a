// SPDX-License-Identifier: MIT

package maildrop

import (
	"context"
	"time"

	"posthouse/alias"
	"posthouse/mail"
	"posthouse/policy"
	"posthouse/reply"
)

// transaction is one message.
type transaction struct {
	service  *Service
	client   *mail.Client
	env      *mail.Envelope
	aliases  *alias.Snapshot
	facts    policy.Facts
	effects  policy.Effects
	expanded int // how many the recipients so far have become
}

func (t *transaction) Close() {}

// maxExpanded bounds what all recipients of one message may become. Who comes beyond it has to come in another transaction.
const maxExpanded = 10_000

// maxAsking bounds the time for the store's word on one recipient, however many mailboxes it may lead to. The client waits.
const maxAsking = time.Minute

// Rcpt judges the lists, then asks who exists.
func (t *transaction) Rcpt(ctx context.Context, to mail.Recipient) error {
	if err := t.judge(ctx, to.To); err != nil || t.effects.Discard != "" { // who exists does not matter to mail that is thrown away
		return err
	}
	n, err := t.known(ctx, to.To)
	switch {
	case err != nil:
		return err
	case t.expanded+n > maxExpanded:
		return reply.TooManyRcpts
	}
	t.expanded += n
	return nil
}

// judge asks the lists about the recipient as it was given.
func (t *transaction) judge(ctx context.Context, to mail.Path) error {
	q := t.question(policy.Rcpt)
	q.To = to
	return t.obey(q, t.service.Lists.Rcpt(ctx, q))
}

// Data asks the data list, before the text is taken.
func (t *transaction) Data(ctx context.Context) error {
	if t.effects.Discard != "" {
		return nil
	}
	q := t.question(policy.Data)
	if len(t.env.Recipients) == 1 {
		q.To = t.env.Recipients[0].To
	}
	return t.obey(q, t.service.Lists.AtData(ctx, q))
}

func (t *transaction) question(at policy.Stage) *policy.Question {
	return &policy.Question{Stage: at, Client: t.client, From: t.env.From, Env: t.env, Facts: t.facts, Effects: &t.effects}
}

// obey does what the restriction lists say.
func (t *transaction) obey(q *policy.Question, v policy.Verdict) error {
	if len(q.Warned)+len(q.Noted) > 0 {
		q.LogWarned(t.service.Log, t.env.ID)
	}
	if v.Action == policy.Discard && t.effects.Discard == "" {
		t.effects.Discard = v.Rule
	}
	return v.Err()
}

// known counts those who get mail for an address, and refuses one that leads to nobody.
func (t *transaction) known(ctx context.Context, to mail.Path) (int, error) {
	result, err := t.follow(to)
	switch {
	case err != nil:
		return 0, err
	case result.Unknown():
		return 0, reply.UnknownUser
	case result.Discarded:
		return len(result.Targets) + len(result.Dead), nil
	}
	return len(result.Targets) + len(result.Dead), t.taken(ctx, result.Targets)
}

// taken asks the store about the ends that no alias vouches for. One that takes mail is enough; if none does, the store's own
// reply is the answer, and one that cannot be had now defers.
func (t *transaction) taken(ctx context.Context, ends []alias.Target) error {
	for _, end := range ends {
		if end.Kind != alias.Mailbox {
			return nil
		}
	}
	ctx, cancel := context.WithTimeout(ctx, maxAsking)
	defer cancel()
	var refused error
	for _, end := range ends {
		err := t.service.Mailboxes.Takes(ctx, end.To)
		if err == nil {
			return nil
		}
		if refused == nil || reply.For(err).Temporary() {
			refused = err
		}
	}
	return refused
}

// follow expands an address. A loop is a fault of our tables, which the sender cannot mend but we can: the mail has to wait.
func (t *transaction) follow(to mail.Path) (alias.Result, error) {
	result, err := t.aliases.Expand(to)
	if err != nil {
		t.service.Log.Error("alias tables are wrong", "id", string(t.env.ID), "to", to.String(), "error", err)
		return result, reply.ConfigError.Because(err)
	}
	return result, nil
}
