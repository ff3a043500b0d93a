// SPDX-License-Identifier: MIT

package smtpout

import (
	"context"
	"errors"
	"time"

	"posthouse/dkim"
	"posthouse/mail"
	"posthouse/reply"
)

// Message completes the header, asks the tables and the filters, signs last, and commits. nil is the 250: what is not in the queue
// by then has been thrown away in so many words, and logged.
func (t *transaction) Message(ctx context.Context, msg *mail.Message) error {
	if t.effects.Discard != "" {
		return t.throwAway()
	}
	complete(&msg.Header, t.env, t.service.Hostname)
	env := *t.env
	defer t.giveBack()
	if err := t.examine(ctx, &env, msg); err != nil {
		return err
	}
	t.affect(&env, msg)
	if len(env.Recipients) == 0 && len(t.env.Recipients) > 0 && t.effects.Discard == "" { // as with Sendmail and Postfix
		t.effects.Discard = "milter: no recipient is left"
	}
	if t.effects.Discard != "" {
		return t.throwAway()
	}
	if err := t.sign(ctx, msg); err != nil {
		return err
	}
	return t.service.Next.Carry(ctx, &env, msg).Of(len(env.Recipients)).Err()
}

// giveBack discards the bodies that were written anew, which has no effect on one that the queue has adopted.
func (t *transaction) giveBack() {
	for _, body := range t.written {
		body.Discard()
	}
}

// throwAway is all that is ever heard of a message that something told us to discard. It is answered like any other.
func (t *transaction) throwAway() error {
	for i := range t.env.Recipients {
		t.service.Log.Info("delivery", "id", string(t.env.ID), "from", t.env.From.String(), "to", t.env.Recipients[i].To.String(),
			"status", "discarded", "by", t.effects.Discard)
	}
	return nil
}

func (t *transaction) sign(ctx context.Context, msg *mail.Message) error {
	if t.service.Signer == nil {
		return nil
	}
	fields, err := t.service.Signer.Sign(ctx, msg)
	switch {
	case errors.Is(err, dkim.ErrKey):
		return reply.ConfigError.Because(err)
	case err != nil:
		return err
	}
	msg.Header.Prepend(fields...)
	return nil
}

// affect does what access tables want of the message as a whole (access(5)).
func (t *transaction) affect(env *mail.Envelope, msg *mail.Message) {
	e := &t.effects
	if env.Hold == "" {
		env.Hold = e.Hold
	}
	msg.Header.Prepend(e.Prepend...)
	for _, to := range e.Bcc {
		env.Recipients = append(env.Recipients, mail.Recipient{To: to, Given: to, Notify: mail.NotifyNever})
	}
	if e.Redirect != nil {
		env.Recipients = []mail.Recipient{{To: *e.Redirect, Given: *e.Redirect}}
	}
}

// reserve is what is left of the time for our answer when the filters have to end: signature and commit need some too.
const reserve = 5 * time.Second

// sooner ends a while before ctx does, so that whoever is asked can say what it was waiting for.
func sooner(ctx context.Context) (context.Context, context.CancelFunc) {
	end, ok := ctx.Deadline()
	if !ok {
		return context.WithCancel(ctx)
	}
	return context.WithDeadline(ctx, end.Add(-min(reserve, time.Until(end)/4)))
}
