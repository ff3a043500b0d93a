// SPDX-License-Identifier: MIT

package maildrop

import (
	"context"
	"errors"
	"slices"

	"posthouse/alias"
	"posthouse/mail"
)

// Message puts the mailboxes in the place of the addresses, on the tables of this transaction, and commits one envelope. A
// message whose every recipient was discarded by its alias, or that a list wants thrown away, is answered like any other, and not
// stored.
func (t *transaction) Message(ctx context.Context, msg *mail.Message) error {
	if t.effects.Discard != "" {
		for _, r := range t.env.Recipients {
			t.logDiscard(r.To, t.effects.Discard)
		}
		return nil
	}
	mailboxes, discards, err := t.expand(t.addressed())
	if err != nil {
		return err
	}
	if len(mailboxes)+len(discards) == 0 {
		return errNobody // RCPT lets nobody in who leads nowhere; were it otherwise, a 250 would be a loss
	}
	if len(mailboxes) > 0 {
		env := *t.env
		env.Recipients, env.Hold = mailboxes, t.effects.Hold
		msg.Header.Prepend(t.effects.Prepend...)
		if err := t.service.Next.Carry(ctx, &env, msg).Of(len(env.Recipients)).Err(); err != nil {
			return err
		}
	}
	for _, d := range discards {
		t.logDiscard(d.to, d.line.Steps)
	}
	return nil
}

// addressed are the recipients, with what access tables add or put in their place (BCC, REDIRECT).
func (t *transaction) addressed() []mail.Recipient {
	if to := t.effects.Redirect; to != nil {
		return []mail.Recipient{{To: *to, Given: *to}}
	}
	all := slices.Clone(t.env.Recipients)
	for _, to := range t.effects.Bcc {
		all = append(all, mail.Recipient{To: to, Given: to, Notify: mail.NotifyNever})
	}
	return all
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
		result, err := t.follow(r.To)
		if err != nil {
			return nil, nil, err
		}
		who.Add(result.Recipients(r)...)
		for _, line := range result.Discards {
			discards = append(discards, discard{r.To, line})
		}
	}
	return who.All, discards, nil
}

// logDiscard is all that is ever heard of a discarded recipient, in the words of delivery's log. It waits for the commit, since a
// message that was not taken comes again.
func (t *transaction) logDiscard(to mail.Path, by any) {
	t.service.Log.Info("delivery", "id", string(t.env.ID), "from", t.env.From.String(), "to", to.String(), "status", "discarded", "by", by)
}
