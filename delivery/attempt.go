// SPDX-License-Identifier: MIT

package delivery

import (
	"context"
	"fmt"
	"runtime/debug"

	"posthouse/mail"
	"posthouse/queue"
	"posthouse/reply"
)

// attempt carries each group of a claim's recipients and returns one result a row, in the rows' order.
func (m *Manager) attempt(ctx context.Context, env *mail.Envelope, msg *mail.Message, c *queue.Claim) []mail.Result {
	results := make([]mail.Result, len(c.Rows))
	for _, g := range groups(env, c.Rows) {
		part := excerpt(env, c.Rows, g)
		for i, r := range m.carry(ctx, part, msg, c.Destination) {
			results[g.rows[i]] = r
		}
	}
	return results
}

// group is the rows, by index in the claim, whose next hop sees the same MAIL FROM.
type group struct {
	sender mail.Path
	rows   []int
}

// groups puts rows together by sender, in order of first appearance. A row that names no recipient is left out: its
// result stays Unknown.
func groups(env *mail.Envelope, rows []queue.Row) []group {
	var out []group
	place := map[mail.Path]int{}
	for i, row := range rows {
		if row.N < 0 || row.N >= len(env.Recipients) {
			continue
		}
		sender := senderOf(env, row.N)
		at, ok := place[sender]
		if !ok {
			at, place[sender] = len(out), len(out)
			out = append(out, group{sender: sender})
		}
		out[at].rows = append(out[at].rows, i)
	}
	return out
}

func senderOf(env *mail.Envelope, n int) mail.Path {
	if s := env.Recipients[n].Sender; s != nil {
		return *s
	}
	return env.From
}

// excerpt is the envelope as this group's carrier sees it: its recipients, its MAIL FROM. The stored one is not touched.
func excerpt(env *mail.Envelope, rows []queue.Row, g group) *mail.Envelope {
	part := *env
	part.From = g.sender
	part.Recipients = make([]mail.Recipient, len(g.rows))
	for i, row := range g.rows {
		part.Recipients[i] = env.Recipients[rows[row].N]
	}
	return &part
}

// carry never panics and always has a result for each recipient: a carrier's mistake costs a retry, not the service.
func (m *Manager) carry(ctx context.Context, env *mail.Envelope, msg *mail.Message, destination string) (out mail.Outcome) {
	n := len(env.Recipients)
	defer func() {
		if p := recover(); p != nil {
			m.Log.Error("panic in a carrier", "id", env.ID, "destination", destination, "panic", p, "stack", string(debug.Stack()))
			out = mail.All(n, mail.Result{Status: mail.Deferred, Reply: reply.LocalError.Because(fmt.Errorf("panic: %v", p))})
		}
	}()
	carrier := m.Route(env, destination)
	if carrier == nil {
		return mail.All(n, mail.Result{Status: mail.Deferred, Reply: reply.ConfigError.Because(fmt.Errorf("no route to %s", destination))})
	}
	return carrier.Carry(ctx, env, msg).Of(n)
}
