// SPDX-License-Identifier: MIT

package smtpout

import (
	"context"

	"posthouse/mail"
	"posthouse/reply"
)

// examine looks at the text: header_checks and body_checks see it first, our Received on top, as Postfix shows it to them; filters
// see what they have left, without that field. Both may change it, refuse it, or have it thrown away.
func (t *transaction) examine(ctx context.Context, env *mail.Envelope, msg *mail.Message) error {
	ctx, cancel := sooner(ctx)
	defer cancel()
	ours := traceOf(msg.Header)
	pass, err := t.check(ctx, env, msg)
	if err != nil || t.effects.Discard != "" {
		return err
	}
	if pass || t.filters == nil {
		return nil
	}
	return t.filter(ctx, env, msg, ours)
}

// check asks the tables. pass: one of them says that filters are not to be asked.
func (t *transaction) check(ctx context.Context, env *mail.Envelope, msg *mail.Message) (pass bool, err error) {
	if t.service.Checks == nil {
		return false, nil
	}
	r, err := t.service.Checks().Examine(ctx, msg, t.service.Spool)
	if r.Draft != nil {
		t.written = append(t.written, r.Draft)
	}
	if err != nil {
		return false, err
	}
	for _, h := range r.Hits {
		t.service.Log.Info("content check", "id", string(t.env.ID), "hit", h.String())
	}
	for _, f := range r.Faults {
		t.service.Log.Warn("content check cannot be obeyed", "id", string(t.env.ID), "line", f)
	}
	if err := r.Verdict.Err(); err != nil {
		return false, err
	}
	msg.Header = r.Header
	t.effects.Add(r.Effects)
	if r.Draft == nil {
		return r.Pass, nil
	}
	return r.Pass, replaceBody(env, msg, r.Body)
}

// replaceBody takes another body, and looks at what its octets need of the way.
func replaceBody(env *mail.Envelope, msg *mail.Message, body mail.Body) error {
	eightBit, err := mail.HighBit(body)
	if err != nil {
		return reply.LocalError.Because(err)
	}
	msg.Body, env.EightBit = body, eightBit
	return nil
}
