// SPDX-License-Identifier: MIT

package milter

import (
	"time"

	"posthouse/mail"
	"posthouse/reply"
)

// Action is what the filters of a chain make of a stage, all together.
type Action int

// What a stage may come to. A filter's accept takes that filter out of the connection or the message, and is Continue for
// the chain, since the filters after it are still asked.
const (
	Continue Action = iota
	Reject          // 5yz
	Tempfail        // 4yz
	Discard         // say 250 and deliver to nobody; said at its stage, and again by Message
)

func (a Action) String() string { return [...]string{"continue", "reject", "tempfail", "discard"}[a] }

// Verdict is the answer of the chain at one stage. The zero Verdict goes on.
type Verdict struct {
	Action Action
	Reply  reply.Reply // for Reject and Tempfail; the filter's own words, or a named reply, because of the filter
	Milter string      // whose verdict it is; "" for Continue
	Err    error       // why that filter could not be asked, and its default_action stands in; nil: it said so itself
}

// Refused reports a verdict that has a reply for the client.
func (v Verdict) Refused() bool { return v.Action == Reject || v.Action == Tempfail }

// Result is the verdict on a whole message, and what the filters want changed. A refused or discarded message has no Edits.
type Result struct {
	Verdict
	Hold  string    // not "": to be kept as held, and why (quarantine)
	Edits []Edit    // in the order in which they are to be applied
	Body  mail.Body // the body after the edits; the message's own unless a filter replaced it (then a Draft of Options.Spool)
	Spoke bool      // at least one filter has judged this message itself
	Notes []Note    // of the whole message so far, connect and helo included
}

// Note is one answer of one filter, for the trail.
type Note struct {
	Milter, Stage, Answer string
	Took                  time.Duration
}
