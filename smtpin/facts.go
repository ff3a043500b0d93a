// SPDX-License-Identifier: MIT

package smtpin

import (
	"context"

	"posthouse/mail"
	"posthouse/policy"
	"posthouse/reply"
)

// facts answers the restriction lists. What they ask about recipients is answered from the tables of the transaction: a
// recipient let in by newer tables than it is expanded by would be taken, found to be nobody, and returned.
type facts struct {
	policy.Facts // of the node: its networks, and DNS
	of           *transaction
}

// Authorised reports a recipient that mail is taken for, whoever sends it. Of an SRS address it is the hash that says so, which
// Rcpt has checked before it asks.
func (f *facts) Authorised(to mail.Path) bool {
	return f.of.service.isSRS(to) || f.of.takes(to.Domain()) && !policy.Routed(to)
}

// Final reports a domain of ours, whose DNS does not matter.
func (f *facts) Final(domain string) bool { return f.of.takes(domain) }

// Deliverable reports that the recipient exists, as far as it can be known here.
func (f *facts) Deliverable(_ context.Context, to mail.Path) (bool, error) {
	home, err := f.of.home(to)
	if err == nil {
		_, err = f.of.known(home)
	}
	if err != nil && reply.For(err).Permanent() {
		return false, nil
	}
	return err == nil, err
}

// Verify asks about the address that the mail would go to: of a bounce on its way back, about the sender whom it was made from. We are
// ourselves the server of the SRS address, and would not be asked.
func (f *facts) Verify(ctx context.Context, p mail.Path) error {
	home, err := f.of.home(p)
	if err != nil {
		return err
	}
	return f.Facts.Verify(ctx, home)
}

// takes reports a domain that we are the MX of.
func (t *transaction) takes(domain string) bool {
	return t.aliases.IsAlias(domain) || t.service.Relayed(domain)
}

func (s *Service) isSRS(to mail.Path) bool { return s.SRS != nil && s.SRS.Is(to) }
