// SPDX-License-Identifier: MIT

package smtpd

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"time"

	"posthouse/mail"
	"posthouse/reply"
)

// Data answers DATA. The text comes from the guard in blocks; go-smtp's reader has only the final dot.
func (s session) Data(io.Reader) error {
	return s.answer("DATA", s.data)
}

// data is the way of a message from the permission to send it to the promise.
func (c *conn) data() (reply.Reply, error) {
	tx := c.tx
	if tx == nil {
		return reply.Reply{}, reply.BadSequence
	}
	c.update()
	tx.env.Client.Early = c.client.Early
	if err := c.mayCome(tx); err != nil {
		return reply.Reply{}, err
	}
	draft, err := c.o.Spool.Create()
	if err != nil {
		return reply.Reply{}, err
	}
	defer draft.Discard() // of no effect once the queue has adopted it
	msg, err := c.receive(tx, draft)
	if err != nil {
		return reply.Reply{}, err
	}
	return c.deliver(tx, msg)
}

// mayCome asks whether the text is wanted.
func (c *conn) mayCome(tx *transaction) error {
	ctx, cancel := context.WithTimeout(c.ctx, dataTime)
	defer cancel()
	return tx.to.Data(ctx)
}

// receive reads the text to its end and writes our trace on it. What the octets need is known from them, not from what
// MAIL said.
func (c *conn) receive(tx *transaction, draft mail.Draft) (*mail.Message, error) {
	cfg := &c.o.Config
	msg, arrival, err := mail.Receive(c.guard.Body(), draft, mail.Limits{
		Size: int64(cfg.MessageSizeLimit), Header: int64(cfg.HeaderSizeLimit), Hops: cfg.HopcountLimit,
	})
	if err == nil && !c.guard.Whole() {
		err = errors.New("the text is not whole") // Receive has stopped early: nothing may be promised
	}
	if err != nil {
		return nil, err
	}
	env := tx.env
	env.Size = arrival.Size
	env.EightBit = arrival.EightBit
	env.UTF8 = env.UTF8 && (arrival.HeaderUTF8 || wideAddress(env))
	msg.Header.Prepend(mail.ReceivedField(env, cfg.Hostname, c.o.Now()))
	c.server.metrics.octets.Add(float64(arrival.Size))
	return msg, nil
}

func wideAddress(env *mail.Envelope) bool {
	if env.From.NeedsUTF8() {
		return true
	}
	for i := range env.Recipients {
		if env.Recipients[i].To.NeedsUTF8() {
			return true
		}
	}
	return false
}

// logReceived is the line by which an operator finds a message again; what becomes of it is logged under the same id.
func (c *conn) logReceived(env *mail.Envelope) {
	c.o.Log.LogAttrs(c.ctx, slog.LevelInfo, "received",
		slog.String("id", string(env.ID)),
		slog.String("client", c.peer()),
		slog.String("name", env.Client.Name),
		slog.String("helo", env.Client.HELO),
		slog.String("protocol", env.Client.Protocol),
		slog.String("tls", env.Client.TLS),
		slog.String("login", env.Client.Login),
		slog.String("from", env.From.String()),
		slog.Int("recipients", len(env.Recipients)),
		slog.Int64("size", env.Size),
	)
}

// deliver hands the message over. This is the one place where a message is promised.
func (c *conn) deliver(tx *transaction, msg *mail.Message) (reply.Reply, error) {
	ctx, cancel := context.WithTimeout(c.ctx, time.Duration(c.o.Config.AnswerTimeout))
	defer cancel()
	if err := tx.to.Message(ctx, msg); err != nil {
		return reply.Reply{}, err
	}
	c.server.metrics.accepted.Inc()
	c.logReceived(tx.env)
	return reply.OK.With("Ok: queued as %s", tx.env.ID), nil
}
