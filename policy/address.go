// SPDX-License-Identifier: MIT

package policy

import (
	"context"
	"errors"
	"strings"

	"posthouse/mail"
	"posthouse/reply"
)

// addressed are the words about sender and recipient.
func addressed(word string) judge {
	switch word {
	case "permit_auth_destination":
		return permitIf(func(q *Question) bool { return q.hasTo() && q.Facts.Authorised(q.To) })
	case "reject_unauth_destination":
		return refuseIf(unauthorised, reply.RelayDenied)
	case "defer_unauth_destination":
		return refuseIf(unauthorised, reply.RelayDeferred)
	case "reject_non_fqdn_sender":
		return refuseIf(func(q *Question) bool { return !q.From.IsNull() && !fqdn(q.From.Domain()) }, reply.NonFQDNSender)
	case "reject_non_fqdn_recipient":
		return refuseIf(func(q *Question) bool { return q.hasTo() && !fqdn(q.To.Domain()) }, reply.NonFQDNRecipient)
	case "reject_unknown_sender_domain":
		return about(sender, unknownDomain(reply.UnknownSenderDom, reply.NullMXSender))
	case "reject_unknown_recipient_domain":
		return about(recipient, unknownDomain(reply.UnknownRcptDom, reply.NullMXRcpt))
	case "reject_unlisted_sender":
		return about(sender, ours(unlisted(reply.UnknownSender)))
	case "reject_unlisted_recipient":
		return about(recipient, unlisted(reply.UnknownUser))
	case "reject_unverified_sender":
		return about(sender, unverified(reply.UnverifiedSender))
	case "reject_unverified_recipient":
		return about(recipient, unverified(reply.UnverifiedRcpt))
	}
	return nil
}

func unauthorised(q *Question) bool { return q.hasTo() && !q.Facts.Authorised(q.To) }

// Routed reports sender-specified routing (user%elsewhere@ours, elsewhere!user@ours, "user@elsewhere"@ours), which makes no
// recipient an authorised one: a host behind us might follow it.
func Routed(to mail.Path) bool { return strings.ContainsAny(to.Local(), "@%!") }

func sender(q *Question) mail.Path    { return q.From }
func recipient(q *Question) mail.Path { return q.To }

// about judges an address, if there is one: <> is nobody's, and DATA has no recipient if it has several.
func about(of func(*Question) mail.Path, ask judgePath) judge {
	return func(ctx context.Context, q *Question) Verdict {
		if p := of(q); !p.IsNull() {
			return ask(ctx, q, p)
		}
		return Verdict{}
	}
}

type judgePath = func(context.Context, *Question, mail.Path) Verdict

// unknownDomain refuses a domain that has neither MX nor address. DNS trouble is deferred, but only if no later rule rejects:
// a stranger who may not relay hears so at once and does not come back.
func unknownDomain(refusal, nullMX reply.Reply) judgePath {
	return func(ctx context.Context, q *Question, p mail.Path) Verdict {
		domain := p.Domain()
		if strings.HasPrefix(domain, "[") || q.Facts.Final(domain) {
			return Verdict{}
		}
		ok, err := q.Facts.Resolves(ctx, domain)
		switch {
		case errors.Is(err, ErrNullMX):
			return refuse(nullMX)
		case err != nil:
			return Verdict{Action: DeferIfPermit, Reply: refusal.With("%s (temporary look-up problem)", refusal.Text).Because(err)}
		case !ok:
			return refuse(refusal)
		}
		return Verdict{}
	}
}

// ours asks only about addresses in domains of which we are the last to handle mail. Others are not ours to know.
func ours(ask judgePath) judgePath {
	return func(ctx context.Context, q *Question, p mail.Path) Verdict {
		if !q.Facts.Final(p.Domain()) {
			return Verdict{}
		}
		return ask(ctx, q, p)
	}
}

// unlisted refuses an address that nobody has.
func unlisted(refusal reply.Reply) judgePath {
	return func(ctx context.Context, q *Question, p mail.Path) Verdict {
		ok, err := q.Facts.Deliverable(ctx, p)
		switch {
		case err != nil:
			return refuse(reply.For(err))
		case !ok:
			return refuse(refusal)
		}
		return Verdict{}
	}
}

// unverified defers an address that its own server does not take, or not yet: both with 450, which are Postfix's values of
// unverified_*_reject_code and _defer_code, and only if nothing refuses.
func unverified(refusal reply.Reply) judgePath {
	return func(ctx context.Context, q *Question, p mail.Path) Verdict {
		err := q.Facts.Verify(ctx, p)
		if err == nil {
			return Verdict{}
		}
		r := reply.For(err)
		words := refusal.Text
		if r.Permanent() {
			words = strings.Replace(words, "unverified", "undeliverable", 1)
		}
		return Verdict{Action: DeferIfPermit, Reply: refusal.With("%s", reply.Words(words+": "+r.Text)).Because(err)}
	}
}
