// SPDX-License-Identifier: MIT

package smtpd

import (
	"errors"
	"strings"
	"time"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"

	"posthouse/reply"
)

// authOffered reports that this client may log in now: the service knows users, and nobody else can read along.
func (c *conn) authOffered() bool {
	_, ok := c.session.(Authenticator)
	return ok && c.client.Login == "" && (c.guard.Secure() || c.o.PlainAuth)
}

// AuthMechanisms is for go-smtp's EHLO reply, which the guard replaces.
func (s session) AuthMechanisms() []string { return nil }

// Auth begins an exchange.
func (s session) Auth(name string) (sasl.Server, error) {
	m := s.mechanism(strings.ToUpper(name))
	if err := s.mayLogIn(m); err != nil {
		return nil, s.answer("AUTH", func() (reply.Reply, error) { return reply.Reply{}, err })
	}
	return m, nil
}

func (c *conn) mayLogIn(m sasl.Server) error {
	_, known := c.session.(Authenticator)
	switch {
	case !known:
		return reply.NotOffered
	case c.client.Login != "":
		return reply.BadSequence
	case !c.authOffered():
		return reply.AuthNeedsTLS
	case m == nil:
		return reply.BadMechanism
	}
	return nil
}

// mechanism is one exchange; nil if there is no such mechanism.
func (s session) mechanism(name string) sasl.Server {
	var m sasl.Server
	switch name {
	case sasl.Plain:
		m = sasl.NewPlainServer(func(identity, user, password string) error {
			if identity != "" && identity != user {
				password = "" // nobody acts for another: fails as a wrong password does
			}
			return s.logIn(name, user, password)
		})
	case sasl.Login:
		m = &loginServer{check: func(user, password string) error { return s.logIn(name, user, password) }}
	default:
		return nil
	}
	return &exchange{Server: m, conn: s.conn}
}

// exchange answers malformed steps as such, not as go-smtp would: with the library's words.
type exchange struct {
	sasl.Server
	conn *conn
}

// Next is one step. An error that is no reply yet is one of form.
func (e *exchange) Next(response []byte) (challenge []byte, done bool, err error) {
	challenge, done, err = e.Server.Next(response)
	var refused *smtp.SMTPError
	if err != nil && !errors.As(err, &refused) {
		err = e.conn.answer("AUTH", func() (reply.Reply, error) { return reply.Reply{}, reply.BadAuth.Because(err) })
	}
	return challenge, done, err
}

// logIn asks the service, and answers.
func (c *conn) logIn(mechanism, user, password string) error {
	return c.answer("AUTH", func() (reply.Reply, error) {
		c.update()
		login, err := c.authenticate(mechanism, user, password)
		c.server.metrics.authentications.WithLabelValues(outcome(err)).Inc()
		if err != nil {
			c.o.Log.Warn("authentication failed",
				"mechanism", mechanism, "user", user, "client", c.peer(), "helo", c.client.HELO, "cause", err.Error())
			c.slowDown(err)
			return reply.Reply{}, err
		}
		c.client.Login = login
		c.guard.SetPolicy(c.newlines())
		c.update()
		return reply.AuthOK, nil
	})
}

// slowDown lets whoever guesses passwords wait for the answer. The check is over by then, and holds up nobody else's.
func (c *conn) slowDown(err error) {
	if reply.For(err).Temporary() {
		return
	}
	t := time.NewTimer(c.penalty())
	defer t.Stop()
	select {
	case <-t.C:
	case <-c.ctx.Done():
	}
}

const maxPenalty = 5 // times auth_failure_delay

// penalty grows with the wrong passwords of this connection, or of all of this client's in a minute: guesses over many
// connections get no quicker.
func (c *conn) penalty() time.Duration {
	c.failures++
	n := c.failures
	if c.key != "" {
		n = max(n, c.server.failures.Add(c.key, 1))
	}
	return time.Duration(min(n, maxPenalty)) * time.Duration(c.o.Config.AuthFailureDelay)
}

// guessedTooOften reports a client that had all its wrong passwords of this minute, over whatever connections. It is asked before
// the service computes a hash, so that guesses do not take the turns of those who know theirs.
func (c *conn) guessedTooOften() bool {
	most := c.o.Config.ClientAuthFailureLimit
	if c.key == "" || most <= 0 || c.server.failures.Add(c.key, 0) < most {
		return false
	}
	c.server.metrics.refused.WithLabelValues("client_auth_failure_limit").Inc()
	return true
}

func (c *conn) authenticate(mechanism, user, password string) (string, error) {
	a, ok := c.session.(Authenticator)
	if !ok || user == "" || password == "" {
		return "", reply.AuthFailed.Because(errors.New("no user, no password, or to act for another"))
	}
	if c.guessedTooOften() {
		return "", reply.TooManyTries
	}
	login, err := a.Authenticate(c.ctx, mechanism, user, password)
	var r reply.Reply
	switch {
	case err != nil && !errors.As(err, &r):
		return "", reply.AuthBusy.Because(err)
	case err == nil && login == "":
		return "", reply.AuthBusy.Because(errors.New("the service has named no login"))
	}
	return login, err
}

func outcome(err error) string {
	switch {
	case err == nil:
		return "ok"
	case reply.For(err).Temporary():
		return "error"
	}
	return "failed"
}

var _ smtp.AuthSession = session{}
