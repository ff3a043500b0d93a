// SPDX-License-Identifier: MIT

package policy

import (
	"context"

	"posthouse/delegation"
	"posthouse/table"
)

// List is a parsed restriction list. Make it with ParseList.
type List []rule

type rule struct {
	words string // as configured
	warn  bool   // warn_if_reject: the rule only logs
	judge judge
	dns   *dnsRule // one that a DNS list answers, instead of judge: asked together with its neighbours

	table      *table.Ref // what it names
	of         who        // what is looked up in the table
	server     *delegation.Server
	unenforced bool // it is understood, and judges nothing
}

type judge func(ctx context.Context, q *Question) Verdict

// state is where the judging of one question stands (smtpd_check.c, SMTPD_STATE).
type state struct {
	stance    stance   // whose list is judged, for replies
	delimiter string   // of extensions, for keys
	warn      bool     // below a warn_if_reject
	depth     int      // of lists within tables
	onPermit  *Verdict // the first defer_if_permit: stands unless a rule refuses
	onReject  *Verdict // the first defer_if_reject of this list: stands instead of a permanent refusal
}

// judge asks the rules in order; the first that decides ends the list, and so do promises to defer whatever comes. Dunno at
// its end permits, as in Postfix.
func (l List) judge(ctx context.Context, q *Question) Verdict {
	var b batch
	for i, r := range l {
		if q.Effects.discards() {
			return Verdict{Action: Discard, Rule: r.words}
		}
		if v := q.settle(l.ask(ctx, q, i, &b), r.words); v.Action != Dunno {
			return v
		}
		if q.onPermit != nil && q.onReject != nil {
			break
		}
	}
	return Verdict{}
}

// ask asks one rule. warn_if_reject holds for all that it does, lists in tables included: a refusal is only noted, one for
// later (defer_if_permit) too. A fault of ours is no opinion about the client, and stands.
func (l List) ask(ctx context.Context, q *Question, i int, b *batch) (v Verdict) {
	r, outer := l[i], q.warn
	q.warn = q.warn || r.warn
	defer q.Trail.rule(q, r.words)(&v)
	switch {
	case r.dns == nil:
		v = r.judge(ctx, q)
	default:
		if answer, asked := b.answer(ctx, q, l, i); asked {
			v = r.dns.judge(ctx, q, answer)
		}
	}
	if q.warn && !v.fault && (v.refuses() || v.Action == DeferIfPermit) {
		if v.Rule == "" {
			v.Rule = r.words
		}
		if v.Action == DeferIfPermit {
			v.Action = Defer
		}
		q.Warned, v = append(q.Warned, v), Verdict{}
	}
	q.warn = outer
	return v
}

// settle keeps what is promised for later, and lets such a promise take the place of a permanent refusal.
func (q *Question) settle(v Verdict, words string) Verdict {
	if v.Rule == "" {
		v.Rule = words
	}
	switch {
	case v.Action == DeferIfPermit:
		if q.onPermit == nil {
			q.onPermit = &v
		}
		return Verdict{}
	case v.Action == DeferIfReject:
		if q.onReject == nil {
			q.onReject = &v
		}
		return Verdict{}
	case v.Action == Reject && q.onReject != nil:
		v, q.onReject = *q.onReject, nil
		v.Action = Defer
	}
	return v
}
