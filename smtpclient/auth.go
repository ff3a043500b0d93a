// SPDX-License-Identifier: MIT

package smtpclient

import (
	"context"
	"encoding/base64"
	"slices"

	"posthouse/reply"
)

// Auth logs in with PLAIN (RFC 4616), or LOGIN where that is all there is. It refuses to do so in the clear. A nil error
// means that the server knows us now; the error of a refusal is the server's reply.
func (c *Conn) Auth(ctx context.Context, user, password string) error {
	defer c.watch(ctx)()
	if _, secure := c.TLSState(); !secure {
		return reply.NeedTLS.With("A password is not sent without TLS")
	}
	switch {
	case slices.Contains(c.ext.Auth, "PLAIN"):
		return c.say(ctx, "AUTH PLAIN "+encode("\x00"+user+"\x00"+password))
	case slices.Contains(c.ext.Auth, "LOGIN"):
		return c.say(ctx, "AUTH LOGIN", encode(user), encode(password))
	}
	return reply.NotOffered.With("The server offers no way to log in that we know")
}

// say sends lines that are each, but for the last, answered by 334. Lines behind the first are secret.
func (c *Conn) say(ctx context.Context, lines ...string) error {
	show := c.show
	defer func() { c.show = show }()
	for _, line := range lines[:len(lines)-1] {
		r, err := c.ask(line, c.options.Timeouts.Command, nil)
		if err != nil || r.Code != 334 {
			return c.step(ctx, "logging in", r, err)
		}
		c.show = nil
	}
	r, err := c.ask(lines[len(lines)-1], c.options.Timeouts.Command, nil)
	return c.step(ctx, "logging in", r, err)
}

func encode(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }
