// SPDX-License-Identifier: MIT

package smtpclient

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"time"

	"posthouse/reply"
)

// Conn is a conversation after its EHLO. One goroutine at a time may use it.
type Conn struct {
	wire
	options Options
	ext     Extensions
	tls     string
	sent    int  // transactions that came to their end
	dirty   bool // the server may remember half a transaction
	broken  bool
}

// New begins the conversation. It owns conn from here on and closes it if it fails. Errors hold a reply: the server's, or
// ours about it (reply.For finds it); ErrTLS is in the chain if STARTTLS was what failed.
func New(ctx context.Context, conn net.Conn, o Options) (*Conn, error) {
	o.Timeouts = o.Timeouts.defaults()
	c := &Conn{wire: newWire(conn, o.Trace), options: o}
	defer c.watch(ctx)()
	if err := c.begin(ctx); err != nil {
		c.raw.Close()
		return nil, err
	}
	return c, nil
}

func (c *Conn) begin(ctx context.Context) error {
	if c.options.Mode == Implicit {
		if err := c.handshake(ctx); err != nil {
			return err
		}
	}
	greeting, err := c.reply(c.options.Timeouts.Greeting, nil)
	if err := c.step(ctx, "waiting for the greeting", greeting, err); err != nil {
		return err
	}
	if err := c.hello(ctx); err != nil {
		return err
	}
	return c.secure(ctx)
}

// step makes one error of what can go wrong with a command: no reply, or one that is not 2yz.
func (c *Conn) step(ctx context.Context, doing string, r reply.Reply, err error) error {
	switch {
	case err != nil:
		return failure(ctx, doing, err)
	case r.Code/100 == 2:
		return nil
	case r.Code/100 == 3:
		return reply.ProtocolError.Because(fmt.Errorf("%w: %d while %s", errProtocol, r.Code, doing))
	}
	return r
}

// hello says EHLO or LHLO, and HELO to a server that does not know EHLO (RFC 5321 3.2).
func (c *Conn) hello(ctx context.Context) error {
	c.ext = Extensions{}
	verb := "EHLO "
	if c.options.LMTP {
		verb = "LHLO "
	}
	first := true
	r, err := c.ask(verb+c.options.Hello, c.options.Timeouts.Command, func(line []byte) {
		if !first {
			c.ext.learn(string(line))
		}
		first = false
	})
	if err == nil && r.Permanent() {
		c.ext = Extensions{}
		if !c.options.LMTP && c.options.Mode != Required {
			r, err = c.ask("HELO "+c.options.Hello, c.options.Timeouts.Command, nil)
		}
	}
	return c.step(ctx, "saying hello", r, err)
}

// secure does STARTTLS as the mode wants it, and says hello again: what was learnt in the clear counts for nothing.
func (c *Conn) secure(ctx context.Context) error {
	switch c.options.Mode {
	case Plain, Implicit:
		return nil
	case Opportunistic:
		if !c.ext.StartTLS {
			return nil
		}
	case Required:
		if !c.ext.StartTLS {
			return reply.TLSRequired
		}
	}
	if err := c.startTLS(ctx); err != nil {
		return err
	}
	return c.hello(ctx)
}

func (c *Conn) startTLS(ctx context.Context) error {
	r, err := c.ask("STARTTLS", c.options.Timeouts.Command, nil)
	if err := c.step(ctx, "asking for TLS", r, err); err != nil {
		return tlsFailure(err)
	}
	if c.in.Buffered() > 0 {
		return tlsFailure(errors.New("the server sent more, in the clear, behind its reply to STARTTLS"))
	}
	return c.handshake(ctx)
}

// tlsFailure is temporary, whatever the cause: what protects the mail is not there just now.
func tlsFailure(err error) error {
	return reply.TLSRequired.With("TLS failed").Because(fmt.Errorf("%w: %w", ErrTLS, err))
}

func (c *Conn) handshake(ctx context.Context) error {
	if err := c.raw.SetDeadline(time.Now().Add(c.options.Timeouts.Command)); err != nil {
		return tlsFailure(err)
	}
	t := tls.Client(c.raw, c.options.TLS)
	if err := t.HandshakeContext(ctx); err != nil {
		return tlsFailure(err)
	}
	c.conn = t
	c.in.Reset(t)
	c.tls = describeTLS(t.ConnectionState())
	return nil
}

// Extensions is what the server offers.
func (c *Conn) Extensions() Extensions { return c.ext }

// TLSState is the state of TLS; false in the clear.
func (c *Conn) TLSState() (tls.ConnectionState, bool) {
	t, ok := c.conn.(*tls.Conn)
	if !ok {
		return tls.ConnectionState{}, false
	}
	return t.ConnectionState(), true
}

// TLS is "TLSv1.3 TLS_AES_128_GCM_SHA256", "" in the clear.
func (c *Conn) TLS() string { return c.tls }

func describeTLS(s tls.ConnectionState) string {
	version := map[uint16]string{
		tls.VersionTLS10: "TLSv1", tls.VersionTLS11: "TLSv1.1", tls.VersionTLS12: "TLSv1.2", tls.VersionTLS13: "TLSv1.3",
	}[s.Version]
	return version + " " + tls.CipherSuiteName(s.CipherSuite)
}

// Sent is how many transactions came to their end here.
func (c *Conn) Sent() int { return c.sent }

// Usable reports that another transaction may follow.
func (c *Conn) Usable() bool { return !c.broken && c.in.Buffered() == 0 }

// Quit says goodbye, waits a moment for the answer (RFC 5321 4.1.1.10) and closes.
func (c *Conn) Quit() {
	if !c.broken {
		c.ask("QUIT", c.options.Timeouts.Quit, nil)
	}
	c.Close()
}

// Close ends the conversation without a word.
func (c *Conn) Close() {
	c.broken = true
	c.raw.Close()
}
