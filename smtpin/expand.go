// SPDX-License-Identifier: MIT

package smtpin

import (
	"errors"

	"posthouse/alias"
	"posthouse/mail"
	"posthouse/reply"
)

// discard is a line that says /dev/null, and who came to it.
type discard struct {
	to   mail.Path
	line alias.Target
}

// given is a recipient before the aliases: one that RCPT has let in, or one that we ourselves want.
type given struct {
	mail.Recipient
	by string // "", or who wants it: a milter, an access table
}

// expand turns each recipient into those who get it. Dead ends stay among them: delivery returns those to the sender.
func (t *transaction) expand(all []given) ([]mail.Recipient, []discard, error) {
	var who mail.Distinct
	var discards []discard
	for _, g := range all {
		home, result, err := t.ends(g)
		if err != nil {
			return nil, nil, err
		}
		r := g.Recipient
		r.To = home
		who.Add(result.Recipients(r)...)
		for _, line := range result.Discards {
			discards = append(discards, discard{g.To, line})
		}
	}
	return who.All, discards, nil
}

// ends follows one recipient. What our own filters and tables added must lead to somebody: the sender cannot mend it and would
// get a report about an address that he never wrote, so the mail waits until somebody looks into the log.
func (t *transaction) ends(g given) (home mail.Path, result alias.Result, err error) {
	if home, err = t.home(g.To); err == nil {
		result, err = t.follow(home)
	}
	if err == nil {
		t.noteEnds(g, result)
	}
	if g.by == "" || err == nil && !result.Unknown() {
		return home, result, err
	}
	if err == nil {
		err = errors.New("leads to nobody")
	}
	t.service.Log.Error("a recipient of our own cannot be used", "id", string(t.env.ID), "to", g.To.String(), "by", g.by, "error", err)
	return home, result, reply.ConfigError.Because(err)
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
