// SPDX-License-Identifier: MIT

package policy

import (
	"context"

	"posthouse/reply"
)

// general are the words that stand in any list and look at the session alone.
func general(word string) judge {
	switch word {
	case "permit":
		return always(Verdict{Action: Permit})
	case "reject":
		return always(refuse(reply.Rejected))
	case "defer":
		return always(refuse(reply.TryLater))
	case "defer_if_permit":
		return always(Verdict{Action: DeferIfPermit, Reply: reply.DeferRequested})
	case "defer_if_reject":
		return always(Verdict{Action: DeferIfReject, Reply: reply.DeferRequested})
	case "permit_mynetworks":
		return permitIf(func(q *Question) bool { return q.Facts.Trusted(q.Client) })
	case "permit_inet_interfaces":
		return permitIf(func(q *Question) bool { return q.Facts.Local(q.Client) })
	case "permit_sasl_authenticated":
		return permitIf(func(q *Question) bool { return q.Client.Login != "" })
	case "reject_plaintext_session":
		return refuseIf(func(q *Question) bool { return q.Client.TLS == "" }, reply.NeedEncryption)
	case "reject_unauth_pipelining":
		return refuseIf(func(q *Question) bool { return q.Client.Early }, reply.EarlyTalker)
	case "reject_multi_recipient_bounce":
		return refuseIf(manyForNull, reply.ManyForNull)
	case "check_greylist":
		return greylisted
	}
	return nil
}

func always(v Verdict) judge { return func(context.Context, *Question) Verdict { return v } }

func permitIf(ok func(*Question) bool) judge {
	return func(_ context.Context, q *Question) Verdict {
		if ok(q) {
			return Verdict{Action: Permit}
		}
		return Verdict{}
	}
}

func refuseIf(wrong func(*Question) bool, r reply.Reply) judge {
	return func(_ context.Context, q *Question) Verdict {
		if wrong(q) {
			return refuse(r)
		}
		return Verdict{}
	}
}

// manyForNull reports a bounce to several: at RCPT to one more than were taken, at DATA to all of them.
func manyForNull(q *Question) bool {
	if !q.From.IsNull() || q.Env == nil {
		return false
	}
	taken := len(q.Env.Recipients)
	return taken > 1 || taken == 1 && q.Stage == Rcpt
}

// greylisted defers unless something refuses for good, as postgrey does: who is refused need not come back.
func greylisted(ctx context.Context, q *Question) Verdict {
	if !q.hasTo() {
		return Verdict{}
	}
	r := q.Facts.Greylist(ctx, q)
	if r.Pass {
		return Verdict{}
	}
	return Verdict{Action: DeferIfPermit, Reply: reply.GreylistedFor(r.Wait)}
}

// hasTo is no at DATA, if there are several recipients.
func (q *Question) hasTo() bool { return !q.To.IsNull() }
