// SPDX-License-Identifier: MIT

package mail

import (
	"context"

	"posthouse/reply"
)

// Status of a recipient. Zero is "try again": what a carrier forgets to fill in arrives twice at worst.
type Status uint8

const (
	Unknown   Status = iota // not attempted, cut off, cancelled
	Delivered               // in a mailbox
	Relayed                 // the next holder answers for it
	Deferred                // 4yz, or no contact
	Failed                  // 5yz or a rule; never because ctx ended
)

// Result is what became of one recipient at one hop.
type Result struct {
	Status      Status
	Reply       reply.Reply // the remote's words, or ours with the private cause
	Remote, TLS string      // "mx.example.test[192.0.2.1]:25"; "" before contact, "" in the clear
	DSN         bool        // the next hop took NOTIFY and answers for it (RFC 3461 5.2.1)
	HopDead     bool        // the next hop as a whole could not be used: back off its other mail too
}

// Outcome has one Result for each of Envelope.Recipients, in that order. Err is nil only if each is Delivered or
// Relayed: the 250 hangs on it.
type Outcome []Result

// Err is the first result that is not Delivered or Relayed, as its Reply (LocalError if it has none); also for an empty Outcome.
func (o Outcome) Err() error { panic("todo") }

// All is the same result for n recipients.
func All(n int, r Result) Outcome { panic("todo") }

// Carrier takes over responsibility for a message: queue, relay, LMTP drop, Maildir. It may open the body often, keeps
// neither argument after it returns, and returns soon after ctx ends with what it knows by then.
type Carrier interface {
	Carry(ctx context.Context, env *Envelope, msg *Message) Outcome
}
