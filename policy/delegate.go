// SPDX-License-Identifier: MIT

package policy

import (
	"context"

	"posthouse/delegation"
)

// delegate asks a policy server (SMTPD_POLICY_README). One that cannot be asked stands for its default action, by default
// 451: nothing passes for want of it.
func delegate(server delegation.Server) judge {
	return func(ctx context.Context, q *Question) Verdict {
		where := "policy server " + server.Address.String()
		action, err := q.Facts.Delegate(ctx, server, q)
		if err == nil {
			return q.obey(ctx, q.stance.subject().subject(ctx, q), action, where)
		}
		action = server.Action
		if action == "" {
			action = delegation.DefaultAction
		}
		v := q.obey(ctx, q.stance.subject().subject(ctx, q), action, where)
		if v.Action != Dunno {
			v.Reply = v.Reply.Because(err) // which names it
		}
		return v
	}
}
