// SPDX-License-Identifier: MIT

package node

import (
	"log/slog"

	"posthouse/alias"
	"posthouse/mail"
	"posthouse/srs"
)

// reports says who gets the reports to a sender. He may be one of ours: an alias of smtp-in, a mailbox address of maildrop,
// or an SRS address that came back to us. A report enters the queue behind the place where recipients are expanded, so it
// is done here: otherwise it would be for nobody, and a report that fails is the end of the story.
type reports struct {
	aliases *alias.Expander
	srs     *srs.Rewriter // nil: none
	log     *slog.Logger
}

// to is delivery's question; none: only the address itself is known.
func (r *reports) to(sender mail.Recipient) []mail.Recipient {
	if r.srs != nil && r.srs.Is(sender.To) {
		home, err := r.srs.Reverse(sender.To)
		if err != nil {
			r.log.Warn("report to an SRS address that is not ours", "to", sender.To.String(), "error", err)
			return nil
		}
		sender.To = home
	}
	result, err := r.aliases.Snapshot().Expand(sender.To)
	if err != nil {
		r.log.Error("alias tables are wrong", "to", sender.To.String(), "error", err)
		return nil
	}
	return result.Recipients(sender)
}

// reportsOf are those of a service that does not run, for one command; nil if senders are never ours there.
func (c *Cluster) reportsOf(service string) (func(mail.Recipient) []mail.Recipient, error) {
	r := &reports{log: slog.New(slog.DiscardHandler)}
	var err error
	switch service {
	case SMTPIn:
		if c.SMTPIn.SRS != nil {
			if r.srs, err = srs.Open(*c.SMTPIn.SRS); err != nil {
				return nil, err
			}
		}
		r.aliases, err = c.mxAliases(c.readTable)
	case Maildrop:
		r.aliases, err = c.dropAliases(c.readTable)
	default:
		return nil, nil
	}
	return r.to, err
}
