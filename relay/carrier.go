// SPDX-License-Identifier: MIT

package relay

import (
	"context"
	"slices"

	"posthouse/mail"
	"posthouse/reply"
	"posthouse/upstream"
)

// Carrier takes mail for a domain along a route. All recipients of one Carry share the MAIL FROM of the first one's Sender.
func (r *Relay) Carrier(domain string, route Route) mail.Carrier {
	return &toRoute{r, domain, route}
}

type toRoute struct {
	relay  *Relay
	domain string
	route  Route
}

func (c *toRoute) Carry(ctx context.Context, env *mail.Envelope, msg *mail.Message) mail.Outcome {
	a := c.relay.newAttempt(ctx, env, msg)
	targets, no := c.relay.targets(ctx, c.domain, c.route)
	if no != nil {
		return a.none(no)
	}
	for _, t := range c.relay.dead.living(targets) {
		if !a.visit(t) {
			break
		}
	}
	return a.finish()
}

// LMTP takes mail to the members of a group, in the group's order. Members that give no conversation count as failed there.
func (r *Relay) LMTP(g *upstream.Group) mail.Carrier { return &toGroup{r, g} }

type toGroup struct {
	relay *Relay
	group *upstream.Group
}

func (c *toGroup) Carry(ctx context.Context, env *mail.Envelope, msg *mail.Message) mail.Outcome {
	a := c.relay.newAttempt(ctx, env, msg)
	var visit upstream.Visit
	for m := c.group.Pick(&visit); m != nil && c.member(a, m); {
		m = c.group.Pick(&visit)
	}
	if visit.Tried() == 0 && slices.ContainsFunc(c.group.Members(), func(m *upstream.Member) bool { return !m.Down }) {
		a.busy()
	}
	return a.finish()
}

// busy notes that max_conns are in use: that hop is alive, and its other mail need not wait.
func (a *attempt) busy() {
	a.contacted = true
	a.unusable(reply.NoContact.With("All connections to the next hop are in use"))
}

// member tries the addresses of one member, and reports whether there is need for another one.
func (c *toGroup) member(a *attempt, m *upstream.Member) bool {
	defer m.Release()
	targets, no := c.relay.memberTargets(a.ctx, m)
	if no != nil {
		m.Fail()
		a.unusable(no.reply)
		return true
	}
	for i, t := range targets {
		t.member, t.last = m, i == len(targets)-1
		if !a.visit(t) {
			return false
		}
	}
	return true
}

func (r *Relay) memberTargets(ctx context.Context, m *upstream.Member) ([]target, *refusal) {
	if m.Address.Network == "unix" {
		return []target{unixTarget(m.Address.Path)}, nil
	}
	return r.fixed(ctx, Route{lmtp: true, host: m.Address.Host, port: uint16(m.Address.Port)})
}
