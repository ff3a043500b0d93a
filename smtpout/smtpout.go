// SPDX-License-Identifier: MIT

// Package smtpout is the submission service (RFC 6409): users of the cluster and hosts in mynetworks hand in mail for the
// world. TLS comes before the password, the login decides who may send, the header is completed, and dkim signs exactly
// what is queued. Delivery takes it from the queue.
//
// The package decides; wire, order of verbs and the 250 are smtpd's, retries and bounces are delivery's.
//
// SECURITY: this service may read the password file and the private DKIM keys, ask filters and policy servers, and write its own
// queue.
package smtpout

import (
	"context"
	"errors"
	"log/slog"
	"net/netip"

	"posthouse/auth"
	"posthouse/mail"
	"posthouse/milter"
	"posthouse/policy"
	"posthouse/policy/content"
	"posthouse/reply"
	"posthouse/smtpd"
)

// Passwords checks a login. Errors are auth.ErrCredentials, or that no answer could be had now.
type Passwords interface {
	Authenticate(ctx context.Context, user, password string) (login string, err error)
}

// Signer returns the signature fields for a message, none if no key is meant for its From. An error (dkim.ErrKey, or the
// body's) defers the message: what should be signed never goes out unsigned.
type Signer interface {
	Sign(ctx context.Context, msg *mail.Message) ([]mail.Field, error)
}

// Service makes the sessions. Passwords and Next are required; a nil Signer signs nothing, a nil Owns lets every login
// send as anybody.
type Service struct {
	Hostname   string // of Message-IDs
	Passwords  Passwords
	Signer     Signer
	Owns       func(login string, from mail.Path) bool // may the login send as that (sender_login_maps)
	Mynetworks []netip.Prefix
	Lists      policy.Lists
	Facts      policy.Facts
	Checks     func() *content.Checks // header_checks and body_checks in force; nil: none
	Filters    *milter.Chain          // nil: none
	Next       mail.Carrier
	Spool      mail.Spool // for bodies that Checks write anew
	Log        *slog.Logger
}

// Connect admits everyone: limits are smtpd's, and what a client may do is known at MAIL.
func (s *Service) Connect(_ context.Context, c *mail.Client) (smtpd.Session, error) {
	opened := &session{service: s, client: c}
	if s.Filters != nil {
		now := *c // the frame goes on writing to it
		opened.filters = s.Filters.Connect(&now)
	}
	return opened, nil
}

type session struct {
	service *Service
	client  *mail.Client
	filters *milter.Session
}

// Close ends the conversations with the filters.
func (s *session) Close() { s.filters.Close() }

// Authenticate checks the password; the frame has seen to TLS and counts the failures.
func (s *session) Authenticate(ctx context.Context, _, user, password string) (string, error) {
	login, err := s.service.Passwords.Authenticate(ctx, user, password)
	switch {
	case errors.Is(err, auth.ErrCredentials):
		return "", reply.AuthFailed.Because(err)
	case err != nil:
		return "", reply.AuthBusy.Because(err)
	}
	return login, nil
}

// Mail wants a login, or a client of mynetworks, and a sender that the login owns.
func (s *session) Mail(ctx context.Context, env *mail.Envelope) (smtpd.Transaction, error) {
	login := s.client.Login
	if login == "" && !s.trusted() {
		return nil, reply.NeedAuth
	}
	if !s.mayBe(login, env.From) {
		return nil, reply.NotYours
	}
	t := &transaction{service: s.service, client: s.client, env: env, filters: s.filters, facts: policy.Remembered(s.service.Facts)}
	if err := t.obey(s.filters.Mail(ctx, env)); err != nil {
		s.filters.Reset()
		return nil, err
	}
	return t, nil
}

// mayBe reports that a login owns a sender. Nobody owns <>, which mail programs need for receipts (RFC 8098 3) and Postfix
// lets pass too; hosts without a login are trusted whole.
func (s *session) mayBe(login string, from mail.Path) bool {
	return login == "" || s.service.Owns == nil || from.IsNull() || s.service.Owns(login, from)
}

func (s *session) trusted() bool {
	addr := s.client.Addr.Addr()
	for _, n := range s.service.Mynetworks {
		if n.Contains(addr) {
			return true
		}
	}
	return false
}
