// SPDX-License-Identifier: MIT

package smtpd

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/emersion/go-smtp"

	"posthouse/mail"
	"posthouse/reply"
	"posthouse/smtpd/guard"
)

// session is conn as go-smtp calls it. go-smtp learns from each method whether the state changes; the client reads the
// reply that answer gives to the guard.
type session struct{ *conn }

// transaction is one message on its way in, replaced whole.
type transaction struct {
	env *mail.Envelope
	to  Transaction
}

// Mail answers MAIL. Its path comes from the guard, which alone has seen it with its quotes.
func (s session) Mail(_ string, o *smtp.MailOptions) error {
	return s.answer("MAIL", func() (reply.Reply, error) { return reply.MailOK, s.mail(o) })
}

// Rcpt answers RCPT.
func (s session) Rcpt(_ string, o *smtp.RcptOptions) error {
	return s.answer("RCPT", func() (reply.Reply, error) { return reply.RcptOK, s.rcpt(o) })
}

// Reset drops the transaction.
func (s session) Reset() { s.drop() }

// Logout does nothing: the guard's Closed is the end, and it comes for clients without an EHLO too.
func (s session) Logout() error { return nil }

func (c *conn) mail(o *smtp.MailOptions) error {
	c.refused = ""
	c.update()
	env, err := c.envelope(o)
	if err != nil {
		return err
	}
	if err := c.admitMail(env); err != nil {
		return err
	}
	c.drop()
	to, err := c.session.Mail(c.ctx, env)
	if err != nil {
		c.refused = env.ID
		return err
	}
	if to == nil {
		return reply.LocalError.Because(errors.New("the service has opened no transaction"))
	}
	c.tx = &transaction{env, to}
	return nil
}

// admitMail is what the frame itself has against a message before it comes.
func (c *conn) admitMail(env *mail.Envelope) error {
	cfg := &c.o.Config
	if env.Size > int64(cfg.MessageSizeLimit) {
		return reply.TooBig
	}
	if n := cfg.ClientMessageRateLimit; n > 0 && c.key != "" && c.server.messages.Add(c.key, 1) > n {
		return reply.TooManyMail
	}
	return c.o.Free(env.Size)
}

// How long a service may think about a recipient, and about DATA, before it must answer: less than clients wait, 5 and 2 minutes
// (RFC 5321 4.5.3.2.3, 4.5.3.2.4). What it asks (DNS, policy servers, filters, other servers) has limits of its own, whose sum
// may be more.
const (
	rcptTime = 4 * time.Minute
	dataTime = 100 * time.Second
)

func (c *conn) rcpt(o *smtp.RcptOptions) error {
	if c.tx == nil {
		return reply.BadSequence
	}
	if len(c.tx.env.Recipients) >= c.o.Config.RecipientLimit {
		return reply.TooManyRcpts
	}
	c.update()
	to := c.recipient(o)
	if !harmless(to.ORcpt) {
		return reply.BadSyntax
	}
	ctx, cancel := context.WithTimeout(c.ctx, rcptTime)
	defer cancel()
	if err := c.tx.to.Rcpt(ctx, to); err != nil {
		return err
	}
	c.tx.env.Recipients = append(c.tx.env.Recipients, to)
	return nil
}

// harmless reports text that may stand in a header field: go-smtp decodes control characters out of \x{..} in an ORCPT.
func harmless(s string) bool {
	return utf8.ValidString(s) && !strings.ContainsFunc(s, unicode.IsControl)
}

// drop ends the transaction, if there is one.
func (c *conn) drop() {
	tx := c.tx
	c.tx = nil
	if tx != nil {
		_ = c.safely(func() error { tx.to.Close(); return nil })
	}
}

// answer is where an error becomes a reply. go-smtp gets a bare SMTPError: of a wrapped one it would show the inside.
func (c *conn) answer(verb string, do func() (reply.Reply, error)) error {
	var r reply.Reply
	err := c.safely(func() (err error) { r, err = do(); return err })
	if err != nil {
		r = reply.For(err)
		if r.Code < 400 {
			r = reply.LocalError.Because(err) // an error never means yes
		}
		c.logRefusal(verb, r)
	}
	c.guard.Answer(r)
	if r.Code/100 == 2 {
		return nil
	}
	return &smtp.SMTPError{Code: r.Code, EnhancedCode: smtp.NoEnhancedCode, Message: "refused"}
}

// safely calls the service. A panic is this client's 421 and a line in the log.
func (c *conn) safely(do func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			c.Note(guard.EventPanic, fmt.Errorf("%v\n%s", p, debug.Stack()))
			err = reply.Internal
		}
	}()
	return do()
}

func (c *conn) logRefusal(verb string, r reply.Reply) {
	c.server.metrics.replies.WithLabelValues(verb, class(r)).Inc()
	args := []any{"verb", verb, "client", c.peer(), "name", c.client.Name, "helo", c.client.HELO, "reply", r.String()}
	if c.client.Login != "" {
		args = append(args, "login", c.client.Login)
	}
	if c.tx != nil {
		args = append(args, "id", string(c.tx.env.ID), "from", c.tx.env.From.String())
	}
	if p := c.guard.Command().Path; verb == "RCPT" && !p.IsNull() {
		args = append(args, "to", p.String())
	} else if verb == "MAIL" {
		args = append(args, "from", p.String())
		if c.refused != "" {
			args = append(args, "id", string(c.refused))
		}
	}
	if r.Cause != nil {
		args = append(args, "cause", r.Cause.Error())
	}
	c.o.Log.Info("refused", args...)
}

func class(r reply.Reply) string {
	if r.Temporary() {
		return "4yz"
	}
	return "5yz"
}
