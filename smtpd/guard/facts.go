// SPDX-License-Identifier: MIT

package guard

import (
	"crypto/tls"
	"net"
	"time"

	"posthouse/reply"
)

// TLS is the state of the TLS connection, nil in the clear.
func (c *Conn) TLS() *tls.ConnectionState {
	t, ok := c.conn.(*tls.Conn)
	if !ok {
		return nil
	}
	s := t.ConnectionState()
	return &s
}

// Secure reports TLS.
func (c *Conn) Secure() bool { _, ok := c.conn.(*tls.Conn); return ok }

// TLSOffered reports that STARTTLS may come.
func (c *Conn) TLSOffered() bool { return c.opt.TLS != nil && !c.Secure() && !c.authed }

// Owner is who New was told.
func (c *Conn) Owner() Owner { return c.owner }

// Hello is what the client called itself, printable ASCII without blanks, and whether it said EHLO.
func (c *Conn) Hello() (name string, esmtp bool) { return c.hello, c.esmtp }

// Early reports that the client spoke before it was its turn (RFC 2920 3.1).
func (c *Conn) Early() bool { return c.early }

// Command is the parsed MAIL or RCPT that is being answered.
func (c *Conn) Command() Command { return c.cmd }

// Answer sets the reply to the command that go-smtp is busy with. A 250 to DATA exists only this way.
func (c *Conn) Answer(r reply.Reply) { c.answer = r }

// Confine lets the client do no more than EHLO, NOOP and QUIT.
func (c *Conn) Confine() { c.confined = true }

// SetPolicy decides about stray CR and LF in this client's text from now on.
func (c *Conn) SetPolicy(p Policy) { c.policy = p }

// RemoteAddr is the peer's own address, not one that a proxy announced.
func (c *Conn) RemoteAddr() net.Addr { return c.conn.RemoteAddr() }

// LocalAddr is ours.
func (c *Conn) LocalAddr() net.Addr { return c.conn.LocalAddr() }

// SetDeadline does nothing: the guard owns all deadlines.
func (c *Conn) SetDeadline(time.Time) error { return nil }

// SetReadDeadline does nothing, as SetDeadline.
func (c *Conn) SetReadDeadline(time.Time) error { return nil }

// SetWriteDeadline does nothing, as SetDeadline.
func (c *Conn) SetWriteDeadline(time.Time) error { return nil }
