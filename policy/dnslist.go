// SPDX-License-Identifier: MIT

package policy

import (
	"context"

	"posthouse/dnsbl"
)

// dnsRule is a rule that a DNS list answers.
type dnsRule struct {
	zone  dnsbl.Zone
	about asker // what to ask; false: there is no such thing
	judge func(ctx context.Context, q *Question, a answer) Verdict
}

// answer is what a DNS list said about something.
type answer struct {
	dnsbl.Ask
	dnsbl.Result
}

// batch are the answers to DNS rules that stand one behind the other: asked together when the first of them is reached, as
// they would be waited for one after the other otherwise, and judged in their order.
type batch struct {
	from, to int
	answers  []answer
	asked    []bool
}

// answer is that to rule i; false if there is nothing to ask about.
func (b *batch) answer(ctx context.Context, q *Question, l List, i int) (answer, bool) {
	if i >= b.to {
		b.fill(ctx, q, l, i)
	}
	return b.answers[i-b.from], b.asked[i-b.from]
}

func (b *batch) fill(ctx context.Context, q *Question, l List, from int) {
	*b = batch{from: from, to: from}
	var asks []dnsbl.Ask
	for ; b.to < len(l) && l[b.to].dns != nil; b.to++ {
		r := l[b.to].dns
		ask, ok := r.about(ctx, q)
		if ok {
			ask.Zone = r.zone
			asks = append(asks, ask)
		}
		b.answers, b.asked = append(b.answers, answer{Ask: ask}), append(b.asked, ok)
	}
	if asks == nil {
		return
	}
	results := q.Facts.Listed(ctx, asks)
	for i := range b.answers {
		if b.asked[i] {
			b.answers[i].Result, results = results[0], results[1:]
		}
	}
}
