// SPDX-License-Identifier: MIT

package smtpclient

import (
	"crypto/tls"
	"errors"
	"time"
)

// Mode is what the conversation does about TLS.
type Mode uint8

const (
	Plain         Mode = iota // never asks for it
	Opportunistic             // takes it where it is offered; a handshake that fails ends the conversation with ErrTLS
	Required                  // goes no further without it
	Implicit                  // begins with it, before the greeting (RFC 8314 3.3)
)

// Options of one conversation.
type Options struct {
	Hello    string      // our name in EHLO
	LMTP     bool        // LHLO, and a reply per recipient after the final dot
	Mode     Mode        // TLS
	TLS      *tls.Config // for every Mode but Plain; ServerName or InsecureSkipVerify is the caller's choice
	Remote   string      // what results call the server: "mx.example.test[192.0.2.1]:25"
	Trusted  bool        // the way never leaves this machine: REQUIRETLS is passed on, and not asked for
	Timeouts Timeouts
	Trace    func(line string) // gets the dialogue, "C: MAIL ..." and "S: 250 ..."; passwords are left out
}

// Timeouts bound each step as a whole, not each read of it. Zero values are those of RFC 5321 4.5.3.2, in brackets.
type Timeouts struct {
	Greeting time.Duration // [5m]
	Command  time.Duration // EHLO, STARTTLS and its handshake, MAIL, RCPT [5m]
	Data     time.Duration // until 354 [2m]
	Block    time.Duration // one write of the body [3m]
	Dot      time.Duration // until the reply to the final dot [10m]
	Quit     time.Duration // [2s]; all is safe by then
}

func (t Timeouts) defaults() Timeouts {
	for _, d := range []struct {
		field *time.Duration
		value time.Duration
	}{
		{&t.Greeting, 5 * time.Minute}, {&t.Command, 5 * time.Minute}, {&t.Data, 2 * time.Minute},
		{&t.Block, 3 * time.Minute}, {&t.Dot, 10 * time.Minute}, {&t.Quit, 2 * time.Second},
	} {
		if *d.field <= 0 {
			*d.field = d.value
		}
	}
	return t
}

// What callers branch on, in the chain of the errors of New and Send.
var (
	// ErrTLS: the server offered STARTTLS and it failed. A new conversation in the clear may work.
	ErrTLS = errors.New("TLS failed")
	// ErrStale: a connection used before turned out to be closed; nothing was sent. A new one may work.
	ErrStale = errors.New("the server closed the idle connection")
	// ErrInDoubt: the final dot was sent, its reply not seen. Sending again at once would likely make a duplicate.
	ErrInDoubt = errors.New("the server may have taken the message")
	// ErrMessage: our own copy cannot be read; another server will not change that.
	ErrMessage = errors.New("the message cannot be read")
)
