// SPDX-License-Identifier: MIT

// Package smtpin is the MX: it takes mail from the world for the domains of the cluster, turns each recipient into those
// who get it (virtual(5) aliases), gives recipients that leave us a sender that survives SPF (SRS), and commits one
// envelope to the queue. Whatever can be known is said at RCPT: who may relay first, who exists last, so that a listed
// client does not learn our users.
//
// The package decides; wire, order of verbs and the 250 are smtpd's, retries and bounces are delivery's.
//
// SECURITY: this service may read the alias tables and the SRS secrets, and write its own queue.
package smtpin

import (
	"context"
	"log/slog"

	"posthouse/alias"
	"posthouse/mail"
	"posthouse/policy"
	"posthouse/smtpd"
	"posthouse/srs"
)

// Service makes the sessions. A nil SRS rewrites nothing; all other fields are required.
type Service struct {
	Aliases *alias.Expander
	Relayed func(domain string) bool // relay_domains: we are their MX, and others know who exists
	Ours    func(domain string) bool // of the cluster: mail to it does not leave us, no SRS
	SRS     *srs.Rewriter
	Lists   policy.Lists
	Facts   policy.Facts // Trusted and Resolves; what is asked about recipients is answered here
	Next    mail.Carrier
	Log     *slog.Logger
}

// Connect admits everyone: limits are smtpd's, and restrictions are judged at RCPT.
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
	t.facts = facts{s.service.Facts, t}
	return t, nil
}
