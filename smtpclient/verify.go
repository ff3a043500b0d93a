// SPDX-License-Identifier: MIT

package smtpclient

import (
	"context"

	"posthouse/mail"
	"posthouse/reply"
)

// Verify asks whether the server would take mail for an address: MAIL FROM:<>, RCPT, RSET, and nothing is sent. The reply is
// the server's to RCPT, or to whatever it refused before. An error says that the conversation is over.
func (c *Conn) Verify(ctx context.Context, to mail.Path) (reply.Reply, error) {
	defer c.watch(ctx)()
	c.dirty = true
	limit := c.options.Timeouts.Command
	for _, line := range []string{"RSET", "MAIL FROM:<>", "RCPT TO:" + to.Wire()} {
		r, err := c.ask(line, limit, nil)
		if err != nil || r.Code == 421 {
			c.broken = true
			return reply.Reply{}, c.step(ctx, "verifying a recipient", r, err)
		}
		if r.Code/100 != 2 {
			return r, nil
		}
	}
	return reply.OK, nil
}
