// SPDX-License-Identifier: MIT

package smtpin

import (
	"context"

	"posthouse/mail"
	"posthouse/reply"
)

// Data has nothing to refuse that was not refused at RCPT.
func (t *transaction) Data(context.Context) error { return nil }

// Message expands the recipients on the tables of this transaction, gives those who leave us an SRS sender, and commits one
// envelope. A message whose every recipient was discarded by its alias is answered like any other, and not stored.
func (t *transaction) Message(ctx context.Context, msg *mail.Message) error {
	env := *t.env
	recipients, err := t.expand(t.env.Recipients)
	if err != nil {
		return err
	}
	if len(recipients) == 0 {
		return nil
	}
	env.Recipients = t.forward(env.From, recipients)
	return t.service.Next.Carry(ctx, &env, msg).Err()
}

// expand turns each recipient into those who get it.
func (t *transaction) expand(given []mail.Recipient) ([]mail.Recipient, error) {
	var all mail.Distinct
	for _, r := range given {
		targets, err := t.targets(r)
		if err != nil {
			return nil, err
		}
		all.Add(targets...)
	}
	return all.All, nil
}

// targets are who gets what was sent to one recipient. Dead ends stay among them: delivery returns those to the sender.
func (t *transaction) targets(r mail.Recipient) ([]mail.Recipient, error) {
	home, err := t.home(r.To)
	if err != nil {
		return nil, err
	}
	if !t.aliases.IsAlias(home.Domain()) {
		r.To = home
		return []mail.Recipient{r}, nil
	}
	result, err := t.aliases.Expand(home)
	if err != nil {
		return nil, reply.ConfigError.Because(err)
	}
	for _, d := range result.Discards {
		t.service.Log.Info("discarded", "id", t.env.ID, "from", t.env.From.String(), "to", r.To.String(), "by", d.Steps, "status", "discarded")
	}
	return result.Recipients(r), nil
}

// forward gives recipients outside the cluster a sender whose SPF is ours. One that cannot be rewritten goes out as it is.
func (t *transaction) forward(from mail.Path, recipients []mail.Recipient) []mail.Recipient {
	if t.service.SRS == nil || from.IsNull() {
		return recipients
	}
	var sender *mail.Path
	for i := range recipients {
		if t.service.Ours(recipients[i].To.Domain()) {
			continue
		}
		if sender == nil {
			rewritten, err := t.service.SRS.Forward(from)
			if err != nil {
				t.service.Log.Warn("sender not rewritten", "id", t.env.ID, "from", from.String(), "error", err)
				return recipients
			}
			sender = &rewritten
		}
		if *sender != from {
			recipients[i].Sender = sender
		}
	}
	return recipients
}
