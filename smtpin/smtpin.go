// SPDX-License-Identifier: MIT

// Package smtpin is the MX: it takes mail from the world for the domains of the cluster, turns each recipient into those
// who get it (virtual(5) aliases), gives recipients that leave us a sender that survives SPF (SRS), and commits one
// envelope to the queue. Whatever can be known is said at RCPT: who may relay first, who exists last, so that a listed
// client does not learn our users. What the text alone shows (filters, header_checks, DMARC) is the answer to the final dot.
//
// The package decides; wire, order of verbs and the 250 are smtpd's, retries and bounces are delivery's. A message gets its
// 250 after one commit, or because something has said in so many words that it is to be thrown away, which is logged. A
// look-up, a filter or a check that fails is a fact like others, and never an accident that lets mail through or loses it.
//
// SECURITY: this service may read the alias tables and the SRS secrets, ask the DNS, filters and policy servers, and write its
// own queue.
package smtpin

import (
	"context"
	"log/slog"
	"time"

	"posthouse/alias"
	"posthouse/mail"
	"posthouse/milter"
	"posthouse/policy"
	"posthouse/policy/content"
	"posthouse/smtpd"
	"posthouse/srs"
)

// Service makes the sessions. Aliases, Relayed, Ours, Facts, Next and Log are required; what else is nil is not done.
type Service struct {
	Hostname       string // in fields that say who has checked a message
	Aliases        *alias.Expander
	Relayed        func(domain string) bool // relay_domains: we are their MX, and others know who exists
	Ours           func(domain string) bool // of the cluster: mail to it does not leave us, no SRS
	SRS            *srs.Rewriter
	Gate           *Gate
	Lists          policy.Lists
	Facts          policy.Facts           // what is asked about recipients is answered here, from the tables of the transaction
	Checks         func() *content.Checks // header_checks and its kin, as they are now
	Spool          mail.Spool             // for bodies that Checks change
	Filters        *milter.Chain
	Authentication *Authentication
	Next           mail.Carrier
	Log            *slog.Logger
	Trails         *policy.Trails // why messages were refused
	Metrics        *Metrics
	Now            func() time.Time // nil: time.Now

	explaining *policy.Trail // of a run that nobody sent: everything is written down here
}

// Connect asks the gate, and begins the conversations with the filters; limits are smtpd's, and restrictions are judged at RCPT.
func (s *Service) Connect(ctx context.Context, c *mail.Client) (smtpd.Session, error) {
	atRcpt, err := s.gate(ctx, c)
	if err != nil {
		return nil, err
	}
	opened := &session{service: s, client: c, refusal: atRcpt}
	if s.Filters != nil {
		now := *c // the frame goes on writing to it
		opened.filters = s.Filters.Connect(&now)
	}
	return opened, nil
}

type session struct {
	service *Service
	client  *mail.Client
	refusal error // the gate's, for each recipient
	filters *milter.Session
}

// Close ends the conversations with the filters.
func (s *session) Close() { s.filters.Close() }

func (s *Service) now() time.Time {
	if s.Now == nil {
		return time.Now()
	}
	return s.Now()
}
