// SPDX-License-Identifier: MIT

package smtpin

import (
	"context"
	"errors"

	"posthouse/mail"
)

// Message looks at the text, and takes the message: to the queue in one commit, or away where something says that it is to be
// thrown away. nil is the 250.
func (t *transaction) Message(ctx context.Context, msg *mail.Message) error {
	if err := t.take(ctx, msg); err != nil {
		return t.refused("message", mail.Path{}, err)
	}
	return nil
}

func (t *transaction) take(ctx context.Context, msg *mail.Message) error {
	if t.effects.Discard != "" {
		return t.throwAway(t.env.Recipients)
	}
	d := t.newDraft(msg)
	defer d.close()
	if err := t.examine(ctx, d); err != nil {
		return err
	}
	if t.effects.Discard != "" {
		return t.throwAway(t.env.Recipients)
	}
	return t.commit(ctx, d)
}

// throwAway is all that is ever heard of a message that something told us to discard. It is answered like any other.
func (t *transaction) throwAway(recipients []mail.Recipient) error {
	t.service.Metrics.effect("discard")
	t.note("message", "discard", t.effects.Discard)
	for i := range recipients {
		t.logDiscarded(recipients[i].To, t.effects.Discard)
	}
	return nil
}

// commit expands the recipients on the tables of this transaction, gives those who leave us an SRS sender, and hands one envelope
// over. A message whose every recipient was discarded by its alias is answered like any other, and not stored.
func (t *transaction) commit(ctx context.Context, d *draft) error {
	// As with Sendmail and Postfix, a filter that takes all recipients away throws the message away.
	if len(d.recipients) == 0 && len(t.env.Recipients) > 0 {
		t.effects.Discard = "milter: no recipient is left"
		return t.throwAway(t.env.Recipients)
	}
	recipients, discards, err := t.expand(d.recipients)
	if err != nil {
		return err
	}
	if len(recipients)+len(discards) == 0 {
		return errNobody // RCPT lets nobody in who leads nowhere; were it otherwise, a 250 would be a loss
	}
	if len(recipients) > 0 {
		env := d.env
		env.Recipients = t.forward(env.From, recipients)
		if err := t.service.Next.Carry(ctx, &env, d.message()).Of(len(env.Recipients)).Err(); err != nil {
			return err
		}
	}
	if d.env.Hold != "" {
		t.service.Metrics.effect("hold")
	}
	for _, dead := range discards {
		t.logDiscarded(dead.to, dead.line.Steps)
	}
	return nil
}

var errNobody = errors.New("the recipients lead to nobody, and no alias discards them")

// logDiscarded is in the words of delivery's log. It waits for the commit, since a message that was not taken comes again.
func (t *transaction) logDiscarded(to mail.Path, by any) {
	t.service.Log.Info("delivery", "id", string(t.env.ID), "from", t.env.From.String(), "to", to.String(), "status", "discarded", "by", by)
}
