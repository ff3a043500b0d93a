// SPDX-License-Identifier: MIT

package node

import (
	"context"

	"posthouse/alias"
	"posthouse/mail"
	"posthouse/relay"
	"posthouse/reply"
)

// verifier asks the servers of addresses along the way that mail for them would go (reject_unverified_*). ours answers for the
// addresses that a service knows itself; nil: none.
func (r *routes) verifier(ours func(context.Context, mail.Path) (bool, error)) *relay.Verifier {
	return r.relay.Verifier(relay.VerifierOptions{Route: r.wayTo, Local: ours, Verdicts: r.verdicts})
}

// wayTo is what transport_maps or the MX records say.
func (r *routes) wayTo(_ context.Context, to mail.Path) (relay.Route, error) {
	if r.transport != nil {
		if hop, ok := r.lookup(r.transport.View(), to); ok && hop != "" {
			return relay.ParseRoute(hop)
		}
	}
	if !r.outside {
		return relay.Route{}, reply.OutsideOff
	}
	return relay.MX(to.Domain()), nil
}

// knownTo answers for the addresses of an alias table: they exist if they lead to somebody.
func knownTo(aliases *alias.Expander, mailbox func(context.Context, mail.Path) error) func(context.Context, mail.Path) (bool, error) {
	return func(ctx context.Context, to mail.Path) (bool, error) {
		now := aliases.Snapshot()
		if !now.IsOurs(to.Domain()) {
			return false, nil
		}
		result, err := now.Expand(to)
		switch {
		case err != nil:
			return true, reply.ConfigError.Because(err)
		case result.Unknown():
			return true, reply.UnknownUser
		}
		if len(result.Targets) == 1 && result.Targets[0].Kind == alias.Mailbox && mailbox != nil {
			return true, mailbox(ctx, result.Targets[0].To)
		}
		return true, nil
	}
}
