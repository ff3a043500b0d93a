// SPDX-License-Identifier: MIT

package smtpclient

import (
	"context"
	"fmt"

	"posthouse/mail"
	"posthouse/reply"
)

// Verify asks whether the server would take mail for an address: MAIL FROM:<>, RCPT, and nothing is sent. The reply is the
// server's to RCPT; one to MAIL says nothing about the address, so that a refusal there is an error, like all else that keeps
// the question from being asked.
func (c *Conn) Verify(ctx context.Context, to mail.Path) (reply.Reply, error) {
	defer c.watch(ctx)()
	if to.NeedsUTF8() && !c.ext.SMTPUTF8 {
		return reply.NoSMTPUTF8, nil
	}
	if c.dirty {
		if err := c.prepare(ctx, "RSET"); err != nil {
			return reply.Reply{}, err
		}
	}
	c.dirty = true
	from := "MAIL FROM:<>"
	if to.NeedsUTF8() {
		from += " SMTPUTF8"
	}
	if err := c.prepare(ctx, from); err != nil {
		return reply.Reply{}, err
	}
	r, err := c.ask("RCPT TO:"+to.Wire(), c.options.Timeouts.Command, nil)
	if err != nil || r.Code == 421 || r.Code/100 == 3 {
		c.broken = true
		return reply.Reply{}, c.step(ctx, "verifying a recipient", r, err)
	}
	return r, nil
}

// prepare gives a command that has to work before the question. Its error is temporary, whatever the server called it.
func (c *Conn) prepare(ctx context.Context, command string) error {
	r, err := c.ask(command, c.options.Timeouts.Command, nil)
	if err := c.step(ctx, "preparing to verify a recipient", r, err); err != nil {
		c.broken = true
		return Soften(reply.For(fmt.Errorf("%s: %w", command, err)))
	}
	return nil
}
