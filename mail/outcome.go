// SPDX-License-Identifier: MIT

package mail

import (
	"context"
	"slices"

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

// String is the word for logs, lists and the queue's JSON.
func (s Status) String() string {
	switch s {
	case Delivered:
		return "delivered"
	case Relayed:
		return "relayed"
	case Deferred:
		return "deferred"
	case Failed:
		return "failed"
	}
	return "unknown"
}

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

// Err is the first result that is not Delivered or Relayed, as its Reply (LocalError if it has none); also for an empty
// Outcome. A result that is not a success never becomes a 2yz reply, whatever its carrier wrote into it.
func (o Outcome) Err() error {
	if len(o) == 0 {
		return reply.LocalError
	}
	for _, r := range o {
		if r.Status == Delivered || r.Status == Relayed {
			continue
		}
		if r.Reply.Temporary() || r.Reply.Permanent() {
			return r.Reply
		}
		return reply.LocalError.Because(r.Reply.Cause)
	}
	return nil
}

// Of is the outcome of n recipients, whatever its carrier says: who has no result has the zero one, which is no success.
func (o Outcome) Of(n int) Outcome {
	if len(o) == n {
		return o
	}
	exact := make(Outcome, n)
	copy(exact, o)
	return exact
}

// All is the same result for n recipients.
func All(n int, r Result) Outcome { return slices.Repeat(Outcome{r}, n) }

// Carrier takes over responsibility for a message: queue, relay, LMTP drop, Maildir. It may open the body often, keeps
// neither argument after it returns, and returns soon after ctx ends with what it knows by then.
type Carrier interface {
	Carry(ctx context.Context, env *Envelope, msg *Message) Outcome
}
