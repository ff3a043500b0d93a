// SPDX-License-Identifier: MIT

// Package policy judges. Restriction lists carry Postfix's words and meaning (postconf(5), smtpd_recipient_restrictions;
// access(5) for their tables): the rules of a list are asked in order, and the first that decides ends it. A list does no
// I/O of its own; it asks Facts, one method a question, only when a rule needs the answer, so that cost and side effects
// fall where Postfix has them.
//
// All lists are judged at RCPT (smtpd_delay_reject = yes), relay_restrictions first: who may relay at all. The data list
// follows at DATA. A rule that could not be answered does not pass: it turns into "defer if nothing rejects"
// (defer_if_permit), and one that would have permitted into "defer if something rejects" (defer_if_reject).
package policy

import "posthouse/reply"

// Action is what a verdict wants.
type Action uint8

// Dunno asks the next rule. Discard takes the message and throws it away. The last two decide nothing by themselves, and are
// never the verdict of a list: DeferIfPermit turns a permit, also that at the end, into its deferral; DeferIfReject turns a
// permanent refusal into its own.
const (
	Dunno Action = iota
	Permit
	Reject
	Defer
	Discard
	DeferIfPermit
	DeferIfReject
)

// String is Postfix's word.
func (a Action) String() string {
	switch a {
	case Permit:
		return "permit"
	case Reject:
		return "reject"
	case Defer:
		return "defer"
	case Discard:
		return "discard"
	case DeferIfPermit:
		return "defer_if_permit"
	case DeferIfReject:
		return "defer_if_reject"
	}
	return "dunno"
}

// Verdict is what a rule or a list wants. The zero Verdict is Dunno.
type Verdict struct {
	Action Action
	Reply  reply.Reply // of Reject and Defer, and what DeferIf... would say
	Rule   string      // the configured words that decided, for log and explain
	fault  bool        // ours, not the client's: warn_if_reject does not undo it
}

// Err is the reply that refuses, because of its rule; nil unless the verdict is Reject or Defer.
func (v Verdict) Err() error {
	if !v.refuses() {
		return nil
	}
	return v.Reply.Because(because{v.Rule, v.Reply.Cause})
}

func (v Verdict) refuses() bool { return v.Action == Reject || v.Action == Defer }

// because names the rule in the log, before what the rule met.
type because struct {
	rule  string
	cause error
}

func (b because) Error() string {
	s := "restriction " + b.rule
	if b.cause != nil {
		s += ": " + b.cause.Error()
	}
	return s
}

func (b because) Unwrap() error { return b.cause }

// refuse is the verdict that answers with a reply.
func refuse(r reply.Reply) Verdict {
	if r.Temporary() {
		return Verdict{Action: Defer, Reply: r}
	}
	return Verdict{Action: Reject, Reply: r}
}

// fault is the verdict on what is wrong with us: tables, lists, servers of ours.
func fault(cause error) Verdict {
	return Verdict{Action: Defer, Reply: reply.ConfigError.Because(cause), fault: true}
}
