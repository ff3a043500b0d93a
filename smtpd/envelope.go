// SPDX-License-Identifier: MIT

package smtpd

import (
	"strings"

	"github.com/emersion/go-smtp"

	"posthouse/mail"
	"posthouse/reply"
)

// envelope is what MAIL said. The id is given here and names the message from now on.
func (c *conn) envelope(o *smtp.MailOptions) (*mail.Envelope, error) {
	if o.RequireTLS && !c.guard.Secure() {
		return nil, reply.NeedTLS // RFC 8689 4.1: not without TLS on this hop
	}
	c.awaitName()
	cmd := c.guard.Command()
	now := c.o.Now()
	env := &mail.Envelope{
		ID:         mail.NewID(now),
		From:       c.normal(cmd.Path),
		Client:     c.client,
		Arrived:    now,
		Size:       max(cmd.Size, 0),
		EightBit:   o.Body == smtp.Body8BitMIME,
		UTF8:       o.UTF8,
		RequireTLS: o.RequireTLS,
		Ret:        string(o.Return),
		EnvID:      o.EnvelopeID,
	}
	if env.UTF8 {
		env.Client.Protocol = "UTF8" + strings.TrimPrefix(env.Client.Protocol, "E") // RFC 6531 4.3: UTF8SMTPSA
	}
	return env, nil
}

// recipient is what RCPT said.
func (c *conn) recipient(o *smtp.RcptOptions) mail.Recipient {
	cmd := c.guard.Command()
	to := c.normal(cmd.Path)
	r := mail.Recipient{To: to, Given: to, Notify: notify(o.Notify), ORcpt: cmd.ORcpt}
	if o.OriginalRecipient != "" {
		r.ORcpt = strings.ToLower(string(o.OriginalRecipientType)) + ";" + o.OriginalRecipient
	}
	return r
}

// normal makes the postmaster of this host that of the cluster (RFC 5321 4.5.1).
func (c *conn) normal(p mail.Path) mail.Path {
	o := c.o
	if o.Postmaster == "" || !strings.EqualFold(p.Local(), "postmaster") {
		return p
	}
	switch p.Domain() {
	case "", strings.ToLower(o.Config.Hostname), strings.ToLower(o.Node):
		return p.WithDomain(o.Postmaster)
	}
	return p
}

func notify(list []smtp.DSNNotify) (n mail.Notify) {
	for _, v := range list {
		switch v {
		case smtp.DSNNotifyNever:
			n |= mail.NotifyNever
		case smtp.DSNNotifySuccess:
			n |= mail.NotifySuccess
		case smtp.DSNNotifyFailure:
			n |= mail.NotifyFailure
		case smtp.DSNNotifyDelayed:
			n |= mail.NotifyDelay
		}
	}
	return n
}
