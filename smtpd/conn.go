// SPDX-License-Identifier: MIT

package smtpd

import (
	"context"
	"crypto/tls"
	"net"
	"strconv"

	"posthouse/internal/listen"
	"posthouse/mail"
	"posthouse/smtpd/guard"
)

// conn is one connection: the guard's Owner, and what outlives a transaction.
type conn struct {
	server *Server
	o      *Options // those in force when it began
	listen *listen.Config
	guard  *guard.Conn

	ctx    context.Context
	cancel context.CancelFunc

	client   mail.Client
	local    bool   // a proxy that speaks for itself
	key      string // the client in limits; "" exempt
	counted  bool   // in clients
	name     chan string
	failures int // wrong passwords
	session  Session
	refused  mail.ID // of the MAIL that the service has refused
	tx       *transaction
}

func newConn(s *Server, o *Options, l *listen.Config) *conn {
	c := &conn{server: s, o: o, listen: l}
	c.ctx, c.cancel = context.WithCancel(s.ctx)
	return c
}

// Announce is the first of the guard's questions: who is it?
func (c *conn) Announce(raw net.Conn) (net.Conn, error) {
	conn, ends, err := c.listen.Announce(raw)
	if err != nil {
		return nil, err
	}
	c.client.Addr, c.client.Server = ends.Client, ends.Server
	if c.local = ends.Local; c.local {
		c.guard.Confine()
	}
	c.key = c.o.limitKey(ends.Client.Addr())
	c.guard.SetPolicy(c.newlines())
	return conn, nil
}

// newlines is what is done about stray CR and LF: scripts of our own networks and users are put right, strangers refused.
func (c *conn) newlines() guard.Policy {
	if c.o.Config.ForbidBareNewline == "normalize" || c.client.Login != "" || c.o.exempt(c.client.Addr.Addr()) {
		return guard.Normalize
	}
	return guard.Reject
}

// Connect judges the client before the banner. A proxy's check of our health is no client: the service does not hear of it.
func (c *conn) Connect() error {
	if err := c.server.admit(c); err != nil {
		return err
	}
	if c.local {
		return nil
	}
	c.lookUp()
	return c.safely(func() (err error) {
		c.wait()
		c.update()
		c.session, err = c.o.Service.Connect(c.ctx, &c.client)
		return err
	})
}

// wait holds the banner back if the service wants it to.
func (c *conn) wait() {
	if p, ok := c.o.Service.(Patient); ok {
		if d := p.Patience(&c.client); d > 0 {
			c.guard.Await(d)
		}
	}
}

// Keywords are the extensions (RFC 5321 4.1.1.1) that hold for this client now.
func (c *conn) Keywords() []string {
	cfg := &c.o.Config
	k := []string{
		"PIPELINING",
		"SIZE " + strconv.FormatInt(int64(cfg.MessageSizeLimit), 10),
	}
	if c.guard.TLSOffered() {
		k = append(k, "STARTTLS")
	}
	if c.authOffered() {
		k = append(k, "AUTH PLAIN LOGIN")
	}
	k = append(k, "ENHANCEDSTATUSCODES", "8BITMIME", "DSN", "SMTPUTF8")
	if c.guard.Secure() {
		k = append(k, "REQUIRETLS")
	}
	return append(k, "LIMITS RCPTMAX="+strconv.Itoa(cfg.RecipientLimit))
}

// Note logs and counts what the guard has seen.
func (c *conn) Note(what guard.Event, cause error) {
	c.server.metrics.events.WithLabelValues(string(what)).Inc()
	args := []any{"event", string(what), "client", c.peer(), "helo", c.client.HELO}
	if c.tx != nil {
		args = append(args, "id", string(c.tx.env.ID))
	}
	if cause != nil {
		args = append(args, "cause", cause.Error())
	}
	switch what {
	case guard.EventPanic:
		c.o.Log.Error("panic", args...)
	case guard.EventRefused, guard.EventProxy:
		c.o.Log.Info("connection refused", args...)
	default:
		c.o.Log.Info("connection ended", args...)
	}
}

// peer is the client in logs: the announced address, or that of the proxy which speaks for itself.
func (c *conn) peer() string {
	if c.client.Addr.IsValid() {
		return c.client.Addr.Addr().String()
	}
	return c.guard.RemoteAddr().String()
}

// Closed is the guard's last call.
func (c *conn) Closed() {
	c.drop()
	if c.session != nil {
		_ = c.safely(func() error { c.session.Close(); return nil })
	}
	c.cancel()
	if c.counted {
		c.server.clients.Release(c.key)
	}
	c.server.leave(c)
}

// update brings the Client up to date. Services hold its address.
func (c *conn) update() {
	name, esmtp := c.guard.Hello()
	c.client.HELO = name
	c.client.Early = c.guard.Early()
	if c.client.TLS == "" {
		c.client.TLS = describe(c.guard.TLS())
	}
	c.client.Protocol = protocol(esmtp, c.client.TLS != "", c.client.Login != "")
}

// protocol is the "with" of Received (RFC 3848).
func protocol(esmtp, secure, authenticated bool) string {
	if !esmtp {
		return "SMTP"
	}
	p := "ESMTP"
	if secure {
		p += "S"
	}
	if authenticated {
		p += "A"
	}
	return p
}

func describe(s *tls.ConnectionState) string {
	if s == nil {
		return ""
	}
	version := map[uint16]string{
		tls.VersionTLS10: "TLSv1", tls.VersionTLS11: "TLSv1.1", tls.VersionTLS12: "TLSv1.2", tls.VersionTLS13: "TLSv1.3",
	}[s.Version]
	return version + " " + tls.CipherSuiteName(s.CipherSuite)
}
