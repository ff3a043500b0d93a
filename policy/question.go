// SPDX-License-Identifier: MIT

package policy

import (
	"log/slog"

	"posthouse/mail"
)

// Stage is the moment of the session, for rules that mean something at some stages only.
type Stage uint8

// The stages, in the order of a session. Lists are judged at Rcpt (smtpd_delay_reject = yes) and at Data.
const (
	Connect Stage = iota
	Helo
	Mail
	Rcpt
	Data
)

// String is the verb, as a policy server and a trail have it.
func (s Stage) String() string {
	switch s {
	case Connect:
		return "connect"
	case Helo:
		return "helo"
	case Mail:
		return "mail"
	case Data:
		return "data"
	}
	return "rcpt"
}

// Question is what the lists are asked about: one recipient, or at DATA the message. It is made anew for each.
type Question struct {
	Stage    Stage
	Client   *mail.Client
	From, To mail.Path      // To as the client gave it; zero at DATA if there are several
	Env      *mail.Envelope // the transaction so far, its Recipients those taken; nil: nothing is known of it
	Facts    Facts          // Remembered over the transaction, if several recipients may ask the same
	Effects  *Effects       // of the transaction; nil: what needs them is refused for now
	Trail    *Trail         // nil: nobody listens

	Warned []Verdict   // what warn_if_reject kept from refusing, for the log
	Noted  []slog.Attr // what WARN and INFO in access tables say, for the log
	state
}

// Effects gather what access tables and policy servers want of the whole message (access(5): HOLD DISCARD REDIRECT PREPEND
// BCC), whichever recipient they were asked about.
type Effects struct {
	Hold     string     // not "": why the message is held
	Discard  string     // not "": why the message is taken and thrown away
	Redirect *mail.Path // it goes here, and to nobody else
	Prepend  []mail.Field
	Bcc      []mail.Path // it goes to these too
}

// Add puts what the text asks for to what the lists have asked for, who came first.
func (e *Effects) Add(more Effects) {
	if e.Hold == "" {
		e.Hold = more.Hold
	}
	if e.Discard == "" {
		e.Discard = more.Discard
	}
	if more.Redirect != nil {
		e.Redirect = more.Redirect // as in Postfix, the last one counts
	}
	e.Prepend = append(e.Prepend, more.Prepend...)
	e.Bcc = append(e.Bcc, more.Bcc...)
}

// LogWarned logs what warn_if_reject kept from refusing, and what access tables want to be logged.
func (q *Question) LogWarned(log *slog.Logger, id mail.ID) {
	about := []any{"id", string(id), "client", q.Client.Addr.Addr().String(), "helo", q.Client.HELO,
		"from", q.From.String(), "to", q.To.String()}
	for _, v := range q.Warned {
		log.With(about...).Info("would be refused", "reply", v.Reply.String(), "rule", v.Rule)
	}
	for _, n := range q.Noted {
		log.With(about...).Info("access table", n)
	}
}
