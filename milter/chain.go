// SPDX-License-Identifier: MIT

package milter

import (
	"context"
	"log/slog"
	"net"
	"time"

	"posthouse/mail"
	"posthouse/resolver"
)

// Options are what a chain needs from outside.
type Options struct {
	Resolver resolver.Resolver                                                    // for names of servers; nil: the dialer resolves them
	Dial     func(ctx context.Context, network, address string) (net.Conn, error) // nil: net.Dialer
	Hostname string                                                               // macros j, {daemon_name}
	Version  string                                                               // macro v: program and version
	Spool    mail.Spool                                                           // takes replaced bodies; nil: a filter may not replace any
	MaxBody  int64                                                                // octets of a replaced body [50 MiB]
	Log      *slog.Logger                                                         // nil: slog.Default
	Now      func() time.Time                                                     // nil: time.Now
}

// Chain is the filters of a service in their order. It is safe for use by many sessions at once.
type Chain struct{}

// New makes a chain of the filters; nil, which asks nobody, if there are none.
func New(configs []Config, o Options) *Chain { return nil }

// Connect begins the conversations with all filters in the background and returns at once. A nil Chain gives a nil Session,
// whose methods all go on.
func (c *Chain) Connect(client *mail.Client) *Session { return nil }

// Session is one SMTP connection's conversations with the filters. Its methods are called one after another.
type Session struct{}

// Mail waits for what connect said, tells HELO where it has not been told yet, then MAIL.
func (s *Session) Mail(ctx context.Context, env *mail.Envelope) Verdict { return Verdict{} }

// Rcpt tells one RCPT; a refusal is of that recipient only.
func (s *Session) Rcpt(ctx context.Context, env *mail.Envelope, to mail.Recipient) Verdict {
	return Verdict{}
}

// Data tells DATA, after the last RCPT.
func (s *Session) Data(ctx context.Context, env *mail.Envelope) Verdict { return Verdict{} }

// Message shows header and body, which come without our own Received field, to each filter in turn; one sees what those
// before it changed. Afterwards the session is ready for the next MAIL.
func (s *Session) Message(ctx context.Context, env *mail.Envelope, msg *mail.Message) Result {
	return Result{Body: msg.Body}
}

// Notes are the answers so far, for the trail of a refusal before the message.
func (s *Session) Notes() []Note { return nil }

// Reset gives the message up (RSET, a refused MAIL, a broken DATA); the session is ready for the next MAIL.
func (s *Session) Reset() {}

// Close ends the conversations. It does not wait for the filters.
func (s *Session) Close() {}
