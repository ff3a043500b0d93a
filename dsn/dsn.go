// SPDX-License-Identifier: MIT

// Package dsn writes delivery status notifications: what a mail system tells a sender about mail it took.
//
// A report is a multipart/report (RFC 6522) of three parts: words for a person, fields for a program
// (message/delivery-status, RFC 3464), and the message or its header. Who gets one is RFC 3461: each recipient may have
// NOTIFY=NEVER, or any of SUCCESS, FAILURE and DELAY; without NOTIFY, failure is told, and we tell of a delay too. RET says
// whether the message comes back whole, ENVID and ORCPT are handed back so that the sender knows what he had sent. Where
// addresses need UTF-8 the parts have the types of RFC 6533.
//
// A report goes from <> to the envelope's sender, and nothing is ever reported about mail from <> (RFC 5321 6.1), so that two
// systems cannot bounce at each other. The package is a pure function: when to report, and to queue what it made, is
// delivery's. Causes of replies are for the log and never stand in a report.
package dsn

import (
	"errors"
	"slices"
	"time"

	"posthouse/mail"
	"posthouse/reply"
)

// Kind is what a report is about. One report is of one kind.
type Kind uint8

const (
	Failure Kind = iota + 1 // given up
	Delay                   // still being tried
	Success                 // delivered, or relayed to where no report will come from
)

// String is the word for metrics and logs.
func (k Kind) String() string {
	switch k {
	case Failure:
		return "failure"
	case Delay:
		return "delay"
	case Success:
		return "success"
	}
	return "unknown"
}

// Input is what a report is made from. All but ID and RetryUntil is required.
type Input struct {
	Kind       Kind
	Envelope   *mail.Envelope // of the message that is reported on
	Message    *mail.Message
	Recipients []Recipient // Report passes over those that do not ask for the kind
	Hostname   string      // Reporting-MTA, and the domain of mailer-daemon and postmaster
	Now        time.Time
	RetryUntil time.Time // Delay: when it is given up; zero: not said
	ID         mail.ID   // of the report; "": a new one
}

// Recipient is one of the message's recipients and what became of it. In a Failure, a result that is Deferred means that
// the time ran out, and its reply is why the last attempt did not succeed.
type Recipient struct {
	mail.Recipient
	Result mail.Result
}

// Report makes the report, to be queued as it is. It is nil without an error if there is nobody to tell or nothing
// to tell: mail from <>, or no recipient that asks for this kind. An original whose body cannot be read comes back as its
// header, rather than keep the report from being sent.
func Report(in Input) (*mail.Envelope, *mail.Message, error) {
	if in.Hostname == "" || in.Kind < Failure || in.Kind > Success {
		return nil, nil, errors.New("dsn: input needs a kind and a hostname")
	}
	in.Recipients = asking(in.Kind, in.Recipients)
	if in.Envelope.From.IsNull() || len(in.Recipients) == 0 {
		return nil, nil, nil
	}
	if in.ID == "" {
		in.ID = mail.NewID(in.Now)
	}
	r := report{Input: in, utf8: needsUTF8(in)}
	msg := r.message()
	return r.envelope(msg), msg, nil
}

// report is one Report at work.
type report struct {
	Input
	utf8     bool // its addresses are written in UTF-8 (RFC 6533), and it needs SMTPUTF8
	eightBit bool // its body has an octet above 127
}

// envelope is from <> to the sender. A message that needed TLS all the way needs it on the way back (RFC 8689 5).
func (r *report) envelope(msg *mail.Message) *mail.Envelope {
	to := r.Envelope.From
	return &mail.Envelope{
		ID:         r.ID,
		Recipients: []mail.Recipient{{To: to, Given: to}},
		Arrived:    r.Now,
		Size:       msg.Size(),
		EightBit:   r.eightBit,
		UTF8:       r.utf8,
		RequireTLS: r.Envelope.RequireTLS,
	}
}

// failedFor reports a recipient who was given up for what the next hop cannot take. The way back may be by the same hop, and a
// report that needs what the message needed would end there, unseen.
func failedFor(recipients []Recipient, why reply.Reply) bool {
	return slices.ContainsFunc(recipients, func(r Recipient) bool { return r.Result.Reply.Enhanced == why.Enhanced })
}

// needsUTF8 reports addresses or a header in UTF-8 that the sender has shown to be able to read. If he did not use SMTPUTF8,
// the report is all ASCII.
func needsUTF8(in Input) bool {
	if in.Envelope.From.NeedsUTF8() {
		return true
	}
	if !in.Envelope.UTF8 || failedFor(in.Recipients, reply.NoSMTPUTF8) {
		return false
	}
	for _, r := range in.Recipients {
		if r.To.NeedsUTF8() || r.Given.NeedsUTF8() || !isASCII(r.ORcpt) {
			return true
		}
	}
	return in.Message.Header.EightBit()
}
