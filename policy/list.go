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
		if v := q.settle(l.ask(ctx, q, i, &b)); v.Action != Dunno {
			return v
		}
		if q.onPermit != nil && q.onReject != nil {
			break
		}
	}
	return Verdict{}
}

// ask asks one rule. warn_if_reject holds for all that it does, lists in tables included.
func (l List) ask(ctx context.Context, q *Question, i int, b *batch) (v Verdict) {
	r, outer := l[i], q.warn
	q.warn = q.warn || r.warn
	done := q.Trail.rule(q, r.words)
	if r.dns == nil {
		v = r.judge(ctx, q)
	} else if answer, asked := b.answer(ctx, q, l, i); asked {
		v = r.dns.judge(ctx, q, answer)
	}
	if v.Rule == "" {
		v.Rule = r.words
	}
	warned := q.warn && v.warnable()
	done(v, warned)
	if warned {
		v = q.warnOf(v)
	}
	q.warn = outer
	return v
}

// warnable reports what warn_if_reject undoes: a refusal, and one for later (defer_if_permit). A fault of ours is no opinion
// about the client, and stands.
func (v Verdict) warnable() bool { return !v.fault && (v.refuses() || v.Action == DeferIfPermit) }

// warnOf notes what would have been refused, and goes on.
func (q *Question) warnOf(v Verdict) Verdict {
	if v.Action == DeferIfPermit {
		v.Action = Defer
	}
	q.Warned = append(q.Warned, v)
	return Verdict{}
}

// settle keeps what is promised for later, and lets such a promise take the place of a permanent refusal.
func (q *Question) settle(v Verdict) Verdict {
	switch {
	case v.Action == DeferIfPermit:
		promise(&q.onPermit, v)
		return Verdict{}
	case v.Action == DeferIfReject:
		promise(&q.onReject, v)
		return Verdict{}
	case v.Action == Reject && q.onReject != nil:
		v, q.onReject = *q.onReject, nil
		v.Action = Defer
	}
	return v
}

// promise keeps the first reason.
func promise(kept **Verdict, v Verdict) {
	if *kept == nil {
		*kept = &v
	}
}
