// SPDX-License-Identifier: MIT

package smtpout

import (
	"context"
	"slices"
	"strings"

	"posthouse/mail"
	"posthouse/milter"
	"posthouse/reply"
)

// filter shows the message to the filters, without our Received field on top, and makes the changes that they want. The body that it
// returns is the caller's to give back, if it is another.
func (t *transaction) filter(ctx context.Context, env *mail.Envelope, msg *mail.Message) (mail.Body, error) {
	t.shown = true
	if t.filters == nil {
		return nil, nil
	}
	ctx, cancel := sooner(ctx)
	defer cancel()
	seen := *msg
	var received []mail.Field
	if fields := msg.Header.Fields(); len(fields) > 0 && fields[0].Is("Received") {
		received = fields[:1]
		seen.Header.Replace("Received", 1, "")
	}
	r := t.filters.Message(ctx, t.env, &seen)
	if err := t.obey(r.Verdict); err != nil || t.effects.Discard != "" {
		return r.Body, err
	}
	env.Hold = r.Hold
	if err := edit(env, &seen, r); err != nil {
		return r.Body, err
	}
	*msg = seen
	msg.Header.Prepend(received...)
	return r.Body, nil
}

func edit(env *mail.Envelope, msg *mail.Message, r milter.Result) error {
	milter.Apply(r.Edits, &msg.Header)
	env.Recipients = slices.Clone(env.Recipients)
	for _, e := range r.Edits {
		switch e.Kind {
		case milter.ReplaceBody:
			eightBit, err := mail.HighBit(r.Body)
			if err != nil {
				return reply.LocalError.Because(err)
			}
			msg.Body, env.EightBit = r.Body, eightBit
		case milter.AddRecipient:
			env.Recipients = append(env.Recipients, e.Recipient)
		case milter.DeleteRecipient:
			env.Recipients = slices.DeleteFunc(env.Recipients, func(r mail.Recipient) bool { return same(r.Given, e.Path) || same(r.To, e.Path) })
		case milter.ChangeSender:
			env.From = e.Path
		}
	}
	return nil
}

// same compares without regard to case: a filter may not keep it.
func same(a, b mail.Path) bool {
	return a.Domain() == b.Domain() && strings.EqualFold(a.Local(), b.Local())
}
