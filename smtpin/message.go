// SPDX-License-Identifier: MIT

package smtpin

import (
	"context"
	"errors"

	"posthouse/alias"
	"posthouse/mail"
)

// Data has nothing to refuse that was not refused at RCPT.
func (t *transaction) Data(context.Context) error { return nil }

// Message expands the recipients on the tables of this transaction, gives those who leave us an SRS sender, and commits one
// envelope. A message whose every recipient was discarded by its alias is answered like any other, and not stored.
func (t *transaction) Message(ctx context.Context, msg *mail.Message) error {
	recipients, discards, err := t.expand(t.env.Recipients)
	if err != nil {
		return err
	}
	if len(recipients)+len(discards) == 0 {
		return errNobody // RCPT lets nobody in who leads nowhere; were it otherwise, a 250 would be a loss
	}
	if len(recipients) > 0 {
		env := *t.env
		env.Recipients = t.forward(env.From, recipients)
		if err := t.service.Next.Carry(ctx, &env, msg).Of(len(env.Recipients)).Err(); err != nil {
			return err
		}
	}
	t.logDiscards(discards)
	return nil
}

var errNobody = errors.New("the recipients lead to nobody, and no alias discards them")

// discard is a line that says /dev/null, and who came to it.
type discard struct {
	to   mail.Path
	line alias.Target
}

// expand turns each recipient into those who get it. Dead ends stay among them: delivery returns those to the sender.
func (t *transaction) expand(given []mail.Recipient) ([]mail.Recipient, []discard, error) {
	var who mail.Distinct
	var discards []discard
	for _, r := range given {
		to := r.To
		home, err := t.home(to)
		if err != nil {
			return nil, nil, err
		}
		result, err := t.follow(home)
		if err != nil {
			return nil, nil, err
		}
		r.To = home
		who.Add(result.Recipients(r)...)
		for _, line := range result.Discards {
			discards = append(discards, discard{to, line})
		}
	}
	return who.All, discards, nil
}

// logDiscards is all that is ever heard of a discarded recipient, in the words of delivery's log. It waits for the commit,
// since a message that was not taken comes again.
func (t *transaction) logDiscards(all []discard) {
	for _, d := range all {
		t.service.Log.Info("delivery",
			"id", string(t.env.ID), "from", t.env.From.String(), "to", d.to.String(), "status", "discarded", "by", d.line.Steps)
	}
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
				t.service.Log.Warn("sender not rewritten", "id", string(t.env.ID), "from", from.String(), "error", err)
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
