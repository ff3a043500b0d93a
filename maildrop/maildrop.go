// SPDX-License-Identifier: MIT

// Package maildrop is the final destination: it takes mail for the mailbox domains, turns an address into a user's by the
// alias maps, and leaves it to the queue, from which delivery drops it by LMTP (RFC 2033) into Dovecot or into the
// embedded Maildir.
//
// An address that no alias names is asked of the mailbox store before the sender hears an answer (Mailboxes), so that
// nobody unknown is accepted and bounced later.
//
// SECURITY: this service may write its own queue, and speak to the mailbox store.
package maildrop

import (
	"context"
	"log/slog"

	"posthouse/alias"
	"posthouse/mail"
	"posthouse/policy"
	"posthouse/smtpd"
)

// Mailboxes says whether a mailbox takes mail: nil, or a reply, 5yz for no and 4yz for "not known now".
type Mailboxes interface {
	Takes(ctx context.Context, to mail.Path) error
}

// Service makes the sessions. All fields are required.
type Service struct {
	Aliases   *alias.Expander // with virtual_mailbox_domains
	Mailboxes Mailboxes
	Lists     policy.Lists
	Facts     policy.Facts // Trusted and Resolves; what is asked about recipients is answered here
	Next      mail.Carrier
	Log       *slog.Logger
}

// Connect admits everyone; limits are smtpd's.
func (s *Service) Connect(_ context.Context, c *mail.Client) (smtpd.Session, error) {
	return &session{service: s, client: c}, nil
}

type session struct {
	service *Service
	client  *mail.Client
}

func (s *session) Close() {}

// Mail opens a transaction, which keeps the tables as they are now to its end.
func (s *session) Mail(_ context.Context, env *mail.Envelope) (smtpd.Transaction, error) {
	t := &transaction{service: s.service, client: s.client, env: env, aliases: s.service.Aliases.Snapshot()}
	t.facts = policy.Remembered(&facts{s.service.Facts, t})
	return t, nil
}
