// SPDX-License-Identifier: MIT

package policy

import (
	"context"
	"net/netip"
	"strings"

	"posthouse/mail"
	"posthouse/reply"
)

// who is what a rule looks at.
type who uint8

const (
	theClient who = iota
	theReverse
	theHelo
	theSender
	theRecipient
	theLogin
	theMessage // at DATA
)

// subject is it in one question: what refusals call it (Postfix's SMTPD_NAME_...), and what it is.
type subject struct {
	who
	class, name string
}

// subject is what replies say about it.
func (w who) subject(ctx context.Context, q *Question) subject {
	switch w {
	case theReverse:
		name, _ := q.reverse(ctx)
		return subject{w, "Unverified client host", orUnknown(name)}
	case theHelo:
		return subject{w, "Helo command", q.Client.HELO}
	case theSender:
		return subject{w, "Sender address", q.From.String()}
	case theRecipient:
		return subject{w, "Recipient address", q.To.String()}
	case theLogin:
		return subject{w, "Login", q.Client.Login}
	case theMessage:
		return subject{w, "Data command", ""}
	}
	return subject{w, "Client host", q.address()}
}

// subject is what a whole list is about, for rules that look at no one thing.
func (s stance) subject() who {
	switch s {
	case inClient:
		return theClient
	case inHelo:
		return theHelo
	case inSender:
		return theSender
	case inData:
		return theMessage
	}
	return theRecipient
}

// bare is "Client host [192.0.2.1]".
func (s subject) bare() string {
	if s.name == "" {
		return s.class
	}
	return s.class + " [" + s.name + "]"
}

// rejected is a refusal of it: "Client host [192.0.2.1] rejected: text".
func (s subject) rejected(text string) string { return reply.Words(s.bare() + " rejected: " + text) }

// orUnknown is what Postfix calls a client without a name, in tables too.
func orUnknown(name string) string {
	if name == "" {
		return "unknown"
	}
	return name
}

// domain is its name in DNS, or the address that stands in a literal; neither if there is none.
func (w who) domain(ctx context.Context, q *Question) (name string, addr netip.Addr) {
	switch w {
	case theClient:
		name = q.Client.Name
	case theReverse:
		name, _ = q.reverse(ctx)
	case theHelo:
		name = q.Client.HELO
	case theSender:
		name = q.From.Domain()
	case theRecipient:
		name = q.To.Domain()
	}
	if !strings.HasPrefix(name, "[") {
		return name, addr
	}
	parsed, err := mail.ParseDomain(name)
	if err != nil {
		return "", addr
	}
	addr, _ = mail.Path{}.WithDomain(parsed).Literal()
	return "", addr
}
