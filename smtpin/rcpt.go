// SPDX-License-Identifier: MIT

package smtpin

import (
	"context"

	"posthouse/alias"
	"posthouse/mail"
	"posthouse/policy"
	"posthouse/reply"
)

// maxExpanded bounds what all recipients of one message may become: recipient_limit times a list of a thousand, each with
// an extension of its own, would be a million. Who comes beyond it has to come in another transaction.
const maxExpanded = 10_000

// Rcpt judges in Postfix's order: an SRS address that is not ours to reverse, the restriction lists, and only then who exists;
// the filters see who is left.
func (t *transaction) Rcpt(ctx context.Context, to mail.Recipient) error {
	t.trails.rcpt = t.service.newTrail()
	if err := t.admit(ctx, to); err != nil {
		return t.refused("rcpt", to.To, err)
	}
	return nil
}

func (t *transaction) admit(ctx context.Context, to mail.Recipient) error {
	if t.refusal != nil {
		if t.service.explaining == nil { // there it stands already
			t.trails.rcpt.Add(step("connect", "gate", "", reply.For(t.refusal).Cause.Error(), 0))
		}
		return t.refusal
	}
	home, err := t.home(to.To)
	if err != nil {
		t.trails.rcpt.Add(step("rcpt", "srs", to.To.String(), reply.For(err).Cause.Error(), 0))
		return err
	}
	q := t.question(policy.Rcpt, t.trails.rcpt)
	q.To = to.To
	err = t.obeyLists(q, t.service.Lists.Rcpt(ctx, q))
	if err != nil || t.effects.Discard != "" { // who exists does not matter to mail that is thrown away
		return err
	}
	if err := t.count(home); err != nil {
		return err
	}
	return t.obey(t.filters.Rcpt(ctx, t.env, to))
}

// count lets in who leads to somebody, as long as all together are not too many.
func (t *transaction) count(home mail.Path) error {
	n, err := t.known(home)
	switch {
	case err != nil:
		return err
	case t.expanded+n > maxExpanded:
		return reply.TooManyRcpts
	}
	t.expanded += n
	return nil
}

// home is where a recipient really goes: an SRS address of ours is a bounce on its way back to the sender it was made from.
func (t *transaction) home(to mail.Path) (mail.Path, error) {
	if !t.service.isSRS(to) {
		return to, nil
	}
	home, err := t.service.SRS.Reverse(to)
	if err != nil {
		return to, reply.BadSRS.Because(err)
	}
	return home, nil
}

// known counts those who get mail for an address, and refuses one that leads to nobody.
func (t *transaction) known(to mail.Path) (int, error) {
	result, err := t.follow(to)
	switch {
	case err != nil:
		return 0, err
	case result.Unknown():
		t.trails.rcpt.Add(step("rcpt", "virtual_alias_maps", to.String(), "leads to nobody", 0))
		return 0, reply.UnknownUser
	}
	return len(result.Targets) + len(result.Dead), nil
}

// follow expands an address. As in Postfix, aliases count in every domain, not in those of aliases alone. A loop is a fault of
// our tables, which the sender cannot mend but we can: the mail has to wait.
func (t *transaction) follow(to mail.Path) (alias.Result, error) {
	result, err := t.aliases.Expand(to)
	if err != nil {
		t.service.Log.Error("alias tables are wrong", "id", string(t.env.ID), "to", to.String(), "error", err)
		return result, reply.ConfigError.Because(err)
	}
	return result, nil
}
