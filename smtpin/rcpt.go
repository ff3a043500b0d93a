// SPDX-License-Identifier: MIT

package smtpin

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

// Rcpt judges in Postfix's order: an SRS address that is not ours to reverse, the restriction lists, and only then who exists.
func (t *transaction) Rcpt(ctx context.Context, to mail.Recipient) error {
	home, err := t.home(to.To)
	if err != nil {
		return err
	}
	q := &policy.Question{Stage: policy.Rcpt, Client: t.client, From: t.env.From, To: to.To, Facts: t.service.Facts}
	if err := policy.Both(ctx, t.service.Relay, t.service.Recipient, q); err != nil {
		return err
	}
	return t.known(home)
}

// home is where a recipient really goes: an SRS address of ours is a bounce on its way back to the sender it was made from.
func (t *transaction) home(to mail.Path) (mail.Path, error) {
	if t.service.SRS == nil || !t.service.SRS.Is(to) {
		return to, nil
	}
	home, err := t.service.SRS.Reverse(to)
	if err != nil {
		return to, reply.BadSRS.Because(err)
	}
	return home, nil
}

// known refuses a recipient in an alias domain who expands to nobody. Elsewhere the lists have let it be relayed.
func (t *transaction) known(to mail.Path) error {
	if !t.aliases.IsAlias(to.Domain()) {
		return nil
	}
	result, err := t.aliases.Expand(to)
	switch {
	case err != nil: // our tables are wrong, which the sender cannot mend but we can
		return reply.ConfigError.Because(err)
	case result.Unknown():
		return reply.UnknownUser
	}
	return nil
}
