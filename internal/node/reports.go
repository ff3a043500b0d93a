// SPDX-License-Identifier: MIT

package node

import "posthouse/mail"

// A report goes to the sender of a message, who may be one of ours: an alias of smtp-in, a mailbox address of maildrop, or
// an SRS address that came back to us. The queue that makes it is behind the place where recipients are expanded, so it is
// done here; without it the report would be for nobody, and a report that fails is the end of the story.

// reportTo says who gets smtp-in's reports to a sender; none: nobody but the address itself is known.
func (m *mx) reportTo(to mail.Recipient) []mail.Recipient {
	if m.srs != nil && m.srs.Is(to.To) {
		home, err := m.srs.Reverse(to.To)
		if err != nil {
			m.log.Warn("report to an SRS address that is not ours", "to", to.To.String(), "error", err)
			return nil
		}
		to.To = home
	}
	result, err := m.aliases.Snapshot().Expand(to.To)
	if err != nil {
		m.log.Error("alias tables are wrong", "to", to.To.String(), "error", err)
		return nil
	}
	return result.Recipients(to)
}

// reportTo says who gets maildrop's reports to a sender.
func (m *mailboxes) reportTo(to mail.Recipient) []mail.Recipient {
	result, err := m.aliases.Snapshot().Expand(to.To)
	if err != nil {
		m.log.Error("alias tables are wrong", "to", to.To.String(), "error", err)
		return nil
	}
	return result.Recipients(to)
}
