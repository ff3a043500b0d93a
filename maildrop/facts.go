// SPDX-License-Identifier: MIT

package maildrop

import (
	"context"

	"posthouse/mail"
	"posthouse/policy"
	"posthouse/reply"
)

// facts answers the restriction lists. What they ask about recipients is answered from the tables of the transaction, which
// its message is expanded by too.
type facts struct {
	policy.Facts // of the node: its networks, and DNS
	of           *transaction
}

// Authorised reports a recipient that mail is taken for, whoever sends it.
func (f *facts) Authorised(to mail.Path) bool {
	return f.of.aliases.IsOurs(to.Domain()) && !policy.Routed(to)
}

// Final reports a domain of ours, whose DNS does not matter.
func (f *facts) Final(domain string) bool { return f.of.aliases.IsOurs(domain) }

// Deliverable reports that the recipient exists.
func (f *facts) Deliverable(ctx context.Context, to mail.Path) (bool, error) {
	_, err := f.of.known(ctx, to)
	if err != nil && reply.For(err).Permanent() {
		return false, nil
	}
	return err == nil, err
}
