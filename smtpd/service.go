// SPDX-License-Identifier: MIT

package smtpd

import (
	"context"
	"net/netip"
	"time"

	"posthouse/mail"
)

// Service plugs into Server. Connect runs before the banner; an error refuses the client. c stays valid until the
// Session is closed and is kept up to date (Name, HELO, Protocol, TLS, Login, Early) by the frame between two calls.
type Service interface {
	Connect(ctx context.Context, c *mail.Client) (Session, error)
}

// Session is one connection. Its methods, and those of its Transaction, run one at a time. Close comes exactly once and
// must not wait for a peer. AUTH is offered if the Session is an Authenticator too.
type Session interface {
	// Mail opens a transaction. env is filled in up to its recipients, and stays the frame's until Message.
	Mail(ctx context.Context, env *mail.Envelope) (Transaction, error)
	Close()
}

// Transaction is one message, dropped whole. Errors are replies (reply.Reply somewhere in the chain), anything else is
// 451 4.3.0. Close comes exactly once, whatever became of the message.
type Transaction interface {
	// Rcpt judges one recipient; after nil the frame adds it to env.Recipients.
	Rcpt(ctx context.Context, to mail.Recipient) error
	// Data is asked before the 354: an error answers DATA itself.
	Data(ctx context.Context) error
	// Message has the text, complete and checked, Received field on top. nil is the 250.
	Message(ctx context.Context, msg *mail.Message) error
	Close()
}

// Patient is a Service whose banner may wait. A client that speaks meanwhile does not know the protocol, and is Early when
// Connect is called, without further delay. 0 is no wait. Where TLS comes first nobody can speak too soon, and none waits.
type Patient interface {
	Patience(c *mail.Client) time.Duration
}

// Authenticator checks a password. The login it returns is who the client then is. An error with a reply in it is the
// answer; another is 454 4.7.0. Only replies of 5yz count as failures.
type Authenticator interface {
	Authenticate(ctx context.Context, mechanism, user, password string) (login string, err error)
}

// Resolver finds the name of a client.
type Resolver interface {
	PTR(ctx context.Context, addr netip.Addr) ([]string, error)
	Addrs(ctx context.Context, host string) ([]netip.Addr, error)
}
