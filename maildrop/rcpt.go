// SPDX-License-Identifier: MIT

package maildrop

import (
	"context"

	"posthouse/alias"
	"posthouse/mail"
	"posthouse/policy"
	"posthouse/reply"
)

// transaction is one message.
type transaction struct {
	service *Service
	client  *mail.Client
	env     *mail.Envelope
	aliases *alias.Snapshot
}

func (t *transaction) Close() {}

// Rcpt judges the lists, then asks who exists.
func (t *transaction) Rcpt(ctx context.Context, to mail.Recipient) error {
	q := &policy.Question{Stage: policy.Rcpt, Client: t.client, From: t.env.From, To: to.To, Facts: t.service.Facts}
	if err := policy.Both(ctx, t.service.Relay, t.service.Recipient, q); err != nil {
		return err
	}
	if !t.aliases.IsOurs(to.To.Domain()) {
		return nil // the lists let it be relayed
	}
	return t.known(ctx, to.To)
}

// known refuses an address that leads to no mailbox. One end that takes mail is enough; if none does, the store's own
// reply is the answer, so that a store that cannot be asked defers.
func (t *transaction) known(ctx context.Context, to mail.Path) error {
	result, err := t.aliases.Expand(to)
	switch {
	case err != nil:
		return reply.ConfigError.Because(err)
	case result.Unknown():
		return reply.UnknownUser
	}
	var refused error
	for _, target := range result.Targets {
		if target.Kind != alias.Mailbox {
			return nil
		}
		err := t.service.Mailboxes.Takes(ctx, target.To)
		if err == nil {
			return nil
		}
		if refused == nil || reply.For(err).Temporary() {
			refused = err
		}
	}
	return refused
}

// Data has nothing to refuse that was not refused at RCPT.
func (t *transaction) Data(context.Context) error { return nil }

// Message puts the mailboxes in the place of the addresses, and commits.
func (t *transaction) Message(ctx context.Context, msg *mail.Message) error {
	env := *t.env
	var mailboxes mail.Distinct
	for _, r := range t.env.Recipients {
		targets, err := t.targets(r)
		if err != nil {
			return err
		}
		mailboxes.Add(targets...)
	}
	if len(mailboxes.All) == 0 {
		return nil // discarded
	}
	env.Recipients = mailboxes.All
	return t.service.Next.Carry(ctx, &env, msg).Err()
}

// targets are the mailboxes of one recipient. Dead ends stay among them: delivery returns those to the sender.
func (t *transaction) targets(r mail.Recipient) ([]mail.Recipient, error) {
	if !t.aliases.IsOurs(r.To.Domain()) {
		return []mail.Recipient{r}, nil
	}
	result, err := t.aliases.Expand(r.To)
	if err != nil {
		return nil, reply.ConfigError.Because(err)
	}
	for _, d := range result.Discards {
		t.service.Log.Info("discarded", "id", t.env.ID, "from", t.env.From.String(), "to", r.To.String(), "by", d.Steps, "status", "discarded")
	}
	return result.Recipients(r), nil
}
