// SPDX-License-Identifier: MIT

package policy

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"

	"posthouse/mail"
	"posthouse/reply"
)

// obey does what a table or a policy server says of a subject. What cannot be read must not let mail through: it is deferred,
// and the log says where it stands.
func (q *Question) obey(ctx context.Context, of subject, value, where string) Verdict {
	a, err := parseAction(value)
	switch {
	case err != nil && (a.word == "REDIRECT" || a.word == "BCC" || a.word == "PREPEND"):
		q.note("warn", fmt.Sprintf("%s: %v", where, err)) // Postfix passes over it, too
		return Verdict{}
	case err != nil:
		return fault(fmt.Errorf("%s: %q: %w", where, reply.Words(value), err))
	}
	switch a.word {
	case "":
		return a.list.judge(ctx, q)
	case "DUNNO":
		return Verdict{}
	case "OK":
		return Verdict{Action: Permit}
	case "INFO", "WARN":
		q.note("info", of.bare()+": "+a.text)
		return Verdict{}
	case "HOLD", "DISCARD", "REDIRECT", "BCC", "PREPEND":
		return q.effect(a, of)
	}
	return a.refusal(of)
}

// note keeps something for the log.
func (q *Question) note(level, text string) {
	q.Noted = append(q.Noted, slog.String(level, reply.Words(text)))
}

// refusal is the reply of REJECT, DEFER, DEFER_IF_PERMIT, DEFER_IF_REJECT, 4NN and 5NN.
func (a action) refusal(of subject) Verdict {
	text := a.text
	switch {
	case text != "":
	case a.word == "DEFER_IF_PERMIT" || a.word == "DEFER_IF_REJECT":
		text = "Service unavailable"
	default:
		text = reply.AccessDenied.Text
	}
	v := refuse(reply.Reply{Code: a.code, Enhanced: of.dsn(a.dsn), Text: of.rejected(text)})
	switch a.word {
	case "DEFER_IF_PERMIT":
		v.Action = DeferIfPermit
	case "DEFER_IF_REJECT":
		v.Action = DeferIfReject
	}
	return v
}

// dsn makes an enhanced code about addresses (x.1.x) fit the subject: what is wrong with a recipient is another number where
// it is the sender that is refused, and none where it is no address at all (smtpd_dsn_fix.c).
func (s subject) dsn(code string) string {
	if len(code) < 5 || code[1:4] != ".1." {
		return code
	}
	class, detail := code[:1], code[4:]
	from, to := "0", "0"
	switch detail {
	case "1", "4", "6":
		from, to = "7", detail
	case "2", "8":
		from, to = "8", "2"
	case "3", "7":
		from, to = "7", "3"
	case "5":
		to = "5"
	}
	switch s.who {
	case theSender:
		return class + ".1." + from
	case theRecipient:
		return class + ".1." + to
	}
	return class + ".0.0"
}

// maxEffects bounds how many fields, and how many recipients, tables and policy servers may add to a message.
const maxEffects = 100

var (
	errNoEffects   = errors.New("nobody here carries out what the table wants of the message")
	errManyEffects = errors.New("tables and policy servers have added too much to one message")
)

// effect notes what is wanted of the message. Nothing is permitted by it but DISCARD.
func (q *Question) effect(a action, of subject) Verdict {
	e := q.Effects
	switch {
	case e == nil:
		return fault(errNoEffects)
	case len(e.Prepend) >= maxEffects || len(e.Bcc) >= maxEffects:
		return fault(errManyEffects)
	}
	why := a.text
	if why == "" {
		why = "triggers " + a.word
	}
	why = reply.Words(of.bare() + " " + why)
	switch a.word {
	case "HOLD":
		if e.Hold == "" {
			e.Hold = why
		}
	case "DISCARD":
		e.Discard = why
		return Verdict{Action: Discard}
	case "REDIRECT":
		e.Redirect = &a.path
	case "BCC":
		if !slices.Contains(e.Bcc, a.path) {
			e.Bcc = append(e.Bcc, a.path)
		}
	case "PREPEND":
		e.prepend(a.text)
	}
	return Verdict{}
}

// prepend adds a field once: each recipient of a message asks the same tables.
func (e *Effects) prepend(text string) {
	f := mail.Field(text)
	if f = mail.NewField(f.Name(), f.Value()); !slices.Contains(e.Prepend, f) {
		e.Prepend = append(e.Prepend, f)
	}
}

// discards reports that the message is thrown away: no rule is asked about it any more.
func (e *Effects) discards() bool { return e != nil && e.Discard != "" }
