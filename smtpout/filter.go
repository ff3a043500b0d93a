// SPDX-License-Identifier: MIT

package smtpout

import (
	"context"
	"slices"
	"strings"

	"posthouse/mail"
	"posthouse/milter"
)

// filter shows the message to the filters, without the Received field that is ours, and makes the changes that they want.
func (t *transaction) filter(ctx context.Context, env *mail.Envelope, msg *mail.Message, ours mail.Field) error {
	t.shown = true
	seen := *msg
	covered := uncover(&seen.Header, ours)
	r := t.filters.Message(ctx, t.env, &seen)
	if draft, ok := r.Body.(mail.Draft); ok && r.Body != msg.Body {
		t.written = append(t.written, draft)
	}
	if err := t.obey(r.Verdict); err != nil || t.effects.Discard != "" {
		return err
	}
	env.Hold = r.Hold
	if err := edit(env, &seen, r); err != nil {
		return err
	}
	*msg = seen
	msg.Header.Prepend(covered...)
	return nil
}

// traceOf is the field that the frame has put on top, "" if there is none.
func traceOf(h mail.Header) mail.Field {
	if fields := h.Fields(); len(fields) > 0 && fields[0].Is("Received") {
		return fields[0]
	}
	return ""
}

// uncover takes our own Received field out of the header, if no table has done so, and returns it.
func uncover(h *mail.Header, ours mail.Field) (covered []mail.Field) {
	fields := h.Fields()
	if i := slices.Index(fields, ours); ours != "" && i >= 0 {
		covered = fields[i : i+1]
		*h = mail.Header{}
		h.Append(fields[:i]...)
		h.Append(fields[i+1:]...)
	}
	return covered
}

func edit(env *mail.Envelope, msg *mail.Message, r milter.Result) error {
	milter.Apply(r.Edits, &msg.Header)
	env.Recipients = slices.Clone(env.Recipients)
	for _, e := range r.Edits {
		switch e.Kind {
		case milter.ReplaceBody:
			if err := replaceBody(env, msg, r.Body); err != nil {
				return err
			}
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
