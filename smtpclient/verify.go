// SPDX-License-Identifier: MIT

package smtpclient

import (
	"context"
	"fmt"

	"posthouse/mail"
	"posthouse/reply"
)

// Verify asks whether the server would take mail for an address: MAIL FROM:<> and RCPT, and nothing is sent; the next
// transaction begins with RSET. The reply is the server's to RCPT, 2yz, 4yz or 5yz. A refusal of anything before it says
// nothing about the address: it is an error, with a 4yz reply. With ErrStale in the chain a new conversation may answer; after
// any error this one is over.
func (c *Conn) Verify(ctx context.Context, to mail.Path) (reply.Reply, error) {
	defer c.watch(ctx)()
	if to.NeedsUTF8() && !c.ext.SMTPUTF8 {
		return reply.NoSMTPUTF8, nil
	}
	r, heard, err := c.tryRcpt(ctx, to)
	switch {
	case err == nil:
		c.sent++
		return r, nil
	case c.sent > 0 && !heard && ctx.Err() == nil:
		err = fmt.Errorf("%w: %w", ErrStale, err)
	}
	c.broken = true
	return reply.Reply{}, err
}

// tryRcpt goes as far as RCPT. heard says that the server answered something before the error.
func (c *Conn) tryRcpt(ctx context.Context, to mail.Path) (r reply.Reply, heard bool, err error) {
	lines := []string{"MAIL FROM:<>", "RCPT TO:" + to.Wire()}
	if to.NeedsUTF8() {
		lines[0] += " SMTPUTF8"
	}
	if c.dirty {
		lines = append([]string{"RSET"}, lines...)
	}
	c.dirty = true
	const doing = "verifying a recipient"
	for i, line := range lines {
		r, err := c.ask(line, c.options.Timeouts.Command, nil)
		if err == nil && i == len(lines)-1 && r.Code != 421 && r.Code/100 != 3 {
			return r, true, nil
		}
		if err := c.step(ctx, doing, Soften(r), err); err != nil {
			return r, heard, err
		}
		heard = true
	}
	return r, heard, nil
}
