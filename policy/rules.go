// SPDX-License-Identifier: MIT

package policy

import (
	"context"
	"strings"

	"posthouse/mail"
	"posthouse/reply"
)

// enforced are the words that take no argument and are judged today.
func enforced(word string) judge {
	switch word {
	case "permit":
		return always(Verdict{Action: Permit})
	case "reject":
		return always(Verdict{Action: Reject, Reply: reply.Rejected})
	case "defer":
		return always(Verdict{Action: Defer, Reply: reply.Deferred})
	case "defer_if_permit":
		return always(Verdict{Action: DeferIfPermit, Reply: reply.Deferred})
	case "permit_mynetworks":
		return permitIf(func(q *Question) bool { return q.Facts.Trusted(q.Client) })
	case "permit_sasl_authenticated":
		return permitIf(func(q *Question) bool { return q.Client.Login != "" })
	case "permit_auth_destination":
		return permitIf(authorised)
	case "reject_unauth_destination":
		return refuseUnless(authorised, Verdict{Action: Reject, Reply: reply.RelayDenied})
	case "defer_unauth_destination":
		return refuseUnless(authorised, Verdict{Action: Defer, Reply: reply.RelayDeferred})
	case "reject_unauth_pipelining":
		return refuseUnless(func(q *Question) bool { return !q.Client.Early }, Verdict{Action: Reject, Reply: reply.EarlyTalker})
	case "reject_invalid_helo_hostname":
		return refuseUnless(func(q *Question) bool { return q.Client.HELO == "" || validHelo(q.Client.HELO) },
			Verdict{Action: Reject, Reply: reply.InvalidHelo})
	case "reject_non_fqdn_helo_hostname":
		return refuseUnless(func(q *Question) bool { return q.Client.HELO == "" || fqdn(q.Client.HELO) },
			Verdict{Action: Reject, Reply: reply.NonFQDNHelo})
	case "reject_non_fqdn_sender":
		return refuseUnless(func(q *Question) bool { return q.From.IsNull() || fqdn(q.From.Domain()) },
			Verdict{Action: Reject, Reply: reply.NonFQDNSender})
	case "reject_non_fqdn_recipient":
		return refuseUnless(func(q *Question) bool { return fqdn(q.To.Domain()) }, Verdict{Action: Reject, Reply: reply.NonFQDNRecipient})
	case "reject_unknown_sender_domain":
		return unknownSender
	case "reject_unknown_recipient_domain":
		return unknownRecipient
	case "reject_unlisted_recipient":
		return unlisted
	}
	return nil
}

func authorised(q *Question) bool { return q.Facts.Authorised(q.To) }

// Routed reports sender-specified routing (user%elsewhere@ours, elsewhere!user@ours, "user@elsewhere"@ours), which makes no
// recipient an authorised one: a host behind us might follow it.
func Routed(to mail.Path) bool { return strings.ContainsAny(to.Local(), "@%!") }

func always(v Verdict) judge { return func(context.Context, *Question) Verdict { return v } }

func permitIf(ok func(*Question) bool) judge {
	return func(_ context.Context, q *Question) Verdict {
		if ok(q) {
			return Verdict{Action: Permit}
		}
		return Verdict{}
	}
}

func refuseUnless(ok func(*Question) bool, v Verdict) judge {
	return func(_ context.Context, q *Question) Verdict {
		if ok(q) {
			return Verdict{}
		}
		return v
	}
}

func unknownSender(ctx context.Context, q *Question) Verdict {
	if q.From.IsNull() {
		return Verdict{}
	}
	return resolves(ctx, q, q.From.Domain(), reply.UnknownSenderDom)
}

func unknownRecipient(ctx context.Context, q *Question) Verdict {
	return resolves(ctx, q, q.To.Domain(), reply.UnknownRcptDom)
}

// resolves refuses a domain that has neither MX nor address. DNS trouble is deferred, but only if no later rule rejects:
// a stranger who may not relay hears so at once and does not come back.
func resolves(ctx context.Context, q *Question, domain string, refusal reply.Reply) Verdict {
	if q.Facts.Final(domain) || strings.HasPrefix(domain, "[") {
		return Verdict{}
	}
	ok, err := q.Facts.Resolves(ctx, domain)
	switch {
	case err != nil:
		return Verdict{Action: DeferIfPermit, Reply: reply.RestrictionTrouble.Because(err)}
	case !ok:
		return Verdict{Action: Reject, Reply: refusal}
	}
	return Verdict{}
}

func unlisted(ctx context.Context, q *Question) Verdict {
	ok, err := q.Facts.Deliverable(ctx, q.To)
	switch {
	case err != nil:
		return Verdict{Action: Defer, Reply: reply.For(err)}
	case !ok:
		return Verdict{Action: Reject, Reply: reply.UnknownUser}
	}
	return Verdict{}
}
