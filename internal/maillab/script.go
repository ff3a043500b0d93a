// SPDX-License-Identifier: MIT

package maillab

import (
	"strings"
	"time"
)

// Event is what has just come in. Verb is the command in upper case; "BANNER" stands for the connection itself and "." for
// the end of the message (in LMTP once per recipient, with the recipient as its argument).
type Event struct {
	Verb, Argument string
	Connection     int // counted from 1
}

// Action is how the peer answers. The zero value is the usual answer.
type Action struct {
	Reply   string        // in place of the usual one, without CRLF; several lines are separated by \n
	Delay   time.Duration // before the reply
	Stall   bool          // no reply, and nothing read, until the other side gives up
	Drop    bool          // close the connection without a reply
	Close   bool          // close it after the reply
	Endless bool          // a reply that does not end
}

// Script decides about each event.
type Script func(Event) Action

// On makes a script that does something at one verb, and the usual thing elsewhere.
func On(verb string, a Action) Script {
	return func(e Event) Action {
		if e.Verb == verb {
			return a
		}
		return Action{}
	}
}

// First does as script says for the first n events that it would change, and the usual thing afterwards. A script belongs to
// one sink with one connection at a time, or counts across them in the order of their coming.
func First(n int, script Script) Script {
	left := make(chan struct{}, n)
	for range n {
		left <- struct{}{}
	}
	return func(e Event) Action {
		a := script(e)
		if a == (Action{}) {
			return a
		}
		select {
		case <-left:
			return a
		default:
			return Action{}
		}
	}
}

// RefuseRcpt refuses the recipients whose address contains a text.
func RefuseRcpt(text, reply string) Script {
	return func(e Event) Action {
		if e.Verb == "RCPT" && strings.Contains(e.Argument, text) {
			return Action{Reply: reply}
		}
		return Action{}
	}
}
