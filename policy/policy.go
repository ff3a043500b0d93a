// SPDX-License-Identifier: MIT

// Package policy judges. Restriction lists carry Postfix's words and meaning (postconf(5), smtpd_recipient_restrictions):
// the rules of a list are asked in order, and the first that decides ends it. A list does no I/O of its own; it asks Facts,
// one method a question, only when a rule needs the answer, so that cost and side effects fall where Postfix has them.
//
// relay_restrictions is judged first and says who may relay at all; recipient_restrictions follows. A rule that could not
// be answered does not pass: reject_unknown_* turns it into "defer if nothing rejects" (Postfix's defer_if_permit).
package policy

import (
	"context"
	"log/slog"

	"posthouse/mail"
	"posthouse/reply"
)

// Action is what a verdict wants.
type Action uint8

// Dunno asks the next rule.
const (
	Dunno Action = iota
	Permit
	Reject
	Defer
	Discard
)

// Verdict is what a rule or a list wants. The zero Verdict is Dunno.
type Verdict struct {
	Action Action
	Reply  reply.Reply
	Rule   string // the configured words that decided, for log and explain
}

// Stage is the moment of the session, for rules that mean something at some stages only.
type Stage uint8

// The stages, in the order of a session. Lists are judged at Rcpt (smtpd_delay_reject = yes).
const (
	Connect Stage = iota
	Helo
	Mail
	Rcpt
	Data
)

// Question is what a list is asked about.
type Question struct {
	Stage    Stage
	Client   *mail.Client
	From, To mail.Path // To as the client gave it
	Facts    Facts

	Warned []Verdict // what warn_if_reject kept from refusing, for the log
	later  *Verdict  // defer_if_permit: stands unless a rule rejects
}

// LogWarned logs what warn_if_reject kept from refusing.
func (q *Question) LogWarned(log *slog.Logger, id mail.ID) {
	for _, v := range q.Warned {
		log.Info("would be refused", "id", string(id), "client", q.Client.Addr.Addr().String(), "helo", q.Client.HELO,
			"from", q.From.String(), "to", q.To.String(), "reply", v.Reply.String(), "rule", v.Rule)
	}
}

// Facts answers rules when they ask. An error is an answer: the rule judges it.
type Facts interface {
	Trusted(c *mail.Client) bool                                 // in mynetworks
	Authorised(to mail.Path) bool                                // taken for whoever sends it: our domains unless Routed, and valid SRS addresses
	Final(domain string) bool                                    // we are final for it: its DNS does not matter
	Resolves(ctx context.Context, domain string) (bool, error)   // has MX, A or AAAA
	Deliverable(ctx context.Context, to mail.Path) (bool, error) // the recipient exists
}

// List is a parsed restriction list. Make it with ParseList.
type List []rule

type rule struct {
	words string // as configured
	warn  bool   // warn_if_reject: the rule only logs
	judge judge
}

type judge func(ctx context.Context, q *Question) Verdict

// Judge asks the rules in order; the first that decides ends the list. Dunno at its end permits, as in Postfix.
func (l List) Judge(ctx context.Context, q *Question) Verdict {
	for _, r := range l {
		if v := r.ask(ctx, q); v.Action != Dunno {
			return v
		}
	}
	return Verdict{}
}

// ask asks one rule. Behind warn_if_reject a refusal is only noted, one for later (defer_if_permit) too.
func (r rule) ask(ctx context.Context, q *Question) Verdict {
	if !r.warn {
		v := r.judge(ctx, q)
		v.Rule = r.words
		return v
	}
	apart := *q
	apart.later = nil
	v := r.judge(ctx, &apart)
	if v.Action == Dunno && apart.later != nil {
		v = *apart.later
	}
	v.Rule = r.words
	if v.Action == Reject || v.Action == Defer {
		q.Warned = append(q.Warned, v)
		return Verdict{}
	}
	return v
}

// Both judges relay, then recipient, as Postfix does at RCPT, and returns the reply that refuses or nil. A defer_if_permit
// of either holds only if nothing refuses.
func Both(ctx context.Context, relay, recipient List, q *Question) error {
	for _, l := range []List{relay, recipient} {
		if v := l.Judge(ctx, q); v.Action == Reject || v.Action == Defer {
			return v.Reply.Because(because(v.Rule))
		}
	}
	if q.later != nil {
		return q.later.Reply.Because(because(q.later.Rule))
	}
	return nil
}

// because names the rule in the log.
type because string

func (b because) Error() string { return "restriction " + string(b) }
