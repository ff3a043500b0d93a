// SPDX-License-Identifier: MIT

package policy

import "context"

// Lists are the lists of a service.
type Lists struct {
	Relay, Client, Helo, Sender, Recipient, Data List
	Delimiter                                    string // recipient_delimiter: what sets an extension off, for keys of access tables
}

// Rcpt judges one recipient by the relay, client, helo, sender and recipient lists, all of which must let it through. A
// defer_if_permit of any of them holds only if nothing refuses. A defer_if_reject holds for its own list alone, but that of
// the relay list for the recipient list too, which Postfix takes for one.
func (l *Lists) Rcpt(ctx context.Context, q *Question) Verdict {
	q.state = state{delimiter: l.Delimiter}
	v, relay := l.in(ctx, q, inRelay, l.Relay, nil)
	for _, s := range []struct {
		stance
		List
	}{{inClient, l.Client}, {inHelo, l.Helo}, {inSender, l.Sender}} {
		if !v.ends() {
			v, _ = l.in(ctx, q, s.stance, s.List, nil)
		}
	}
	if !v.ends() {
		v, _ = l.in(ctx, q, inRecipient, l.Recipient, relay)
	}
	return q.resolve(v)
}

// AtData judges the message before its content is taken.
func (l *Lists) AtData(ctx context.Context, q *Question) Verdict {
	q.state = state{delimiter: l.Delimiter}
	v, _ := l.in(ctx, q, inData, l.Data, nil)
	return q.resolve(v)
}

// in judges one list, and returns the defer_if_reject that is left of it.
func (l *Lists) in(ctx context.Context, q *Question, s stance, list List, onReject *Verdict) (Verdict, *Verdict) {
	q.stance, q.onReject = s, onReject
	v := list.judge(ctx, q)
	return v, q.onReject
}

// ends reports a verdict that no further list is asked after. A permit ends its own list only.
func (v Verdict) ends() bool { return v.refuses() || v.Action == Discard }

// resolve lets a defer_if_permit stand, if nothing refused.
func (q *Question) resolve(v Verdict) Verdict {
	switch {
	case v.refuses():
	case q.onPermit != nil:
		v = *q.onPermit
		v.Action = Defer
	case q.Effects.discards():
		v.Action = Discard
	}
	return v
}

// stance is a list, by its place: what replies call the client's fault in it.
type stance uint8

const (
	inRelay stance = iota
	inClient
	inHelo
	inSender
	inRecipient
	inData
)

// String is the list's name in a configuration.
func (s stance) String() string {
	switch s {
	case inClient:
		return "client_restrictions"
	case inHelo:
		return "helo_restrictions"
	case inSender:
		return "sender_restrictions"
	case inRecipient:
		return "recipient_restrictions"
	case inData:
		return "data_restrictions"
	}
	return "relay_restrictions"
}
