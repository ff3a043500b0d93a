// SPDX-License-Identifier: MIT

package smtpclient

import (
	"context"
	"errors"
	"fmt"

	"posthouse/mail"
	"posthouse/reply"
)

// refuse notes a 4yz or 5yz. Refusals that only follow from an earlier one (RCPT after a refused MAIL, DATA without a
// recipient) find no recipient left to apply to.
func (t *transaction) refuse(step int, r reply.Reply) {
	switch {
	case step < 0:
		t.refused = true
		t.settle(pending, r)
	case step < len(t.rcpts):
		if t.state[step] == pending {
			t.decide(step, t.asTooMany(r))
		}
	default:
		t.settle(accepted, r)
	}
}

// asTooMany marks a refusal that means: not together with those already taken. 552 is read as 452 there (RFC 5321
// 4.5.3.1.10), unless its enhanced code speaks of the mailbox.
func (t *transaction) asTooMany(r reply.Reply) reply.Reply {
	if t.accepted == 0 || r.Code != 452 && r.Code != 552 {
		return r
	}
	switch r.Enhanced {
	case "", "4.5.3", "5.5.3", "4.3.1":
		r.Code = 452
		if r.Enhanced != "4.3.1" {
			r.Enhanced = "4.5.3"
		}
		return r.Because(errTooMany)
	}
	return r
}

var errTooMany = errors.New("for one transaction")

// TooMany reports the result of a recipient that was refused only because others had been taken before it: a new transaction
// may follow at once.
func TooMany(r mail.Result) bool { return errors.Is(r.Reply.Cause, errTooMany) }

// decide gives recipient i its result.
func (t *transaction) decide(i int, r reply.Reply) {
	if t.state[i] == accepted {
		t.accepted--
	}
	t.state[i] = decided
	res := &t.results[i]
	res.Reply, res.Status = r, t.status(r)
	if res.Status == mail.Relayed || res.Status == mail.Delivered {
		res.DSN = t.conn.ext.DSN
	}
}

func (t *transaction) status(r reply.Reply) mail.Status {
	switch r.Code / 100 {
	case 2:
		if t.conn.options.LMTP {
			return mail.Delivered
		}
		return mail.Relayed
	case 5:
		return mail.Failed
	}
	return mail.Deferred
}

// settle decides all recipients in a state.
func (t *transaction) settle(s state, r reply.Reply) {
	for i := range t.state {
		if t.state[i] == s {
			t.decide(i, r)
		}
	}
}

// closing is a 421: the server's reply to all that is undecided, and the end of the conversation.
type closing struct{ reply.Reply }

// fail gives the recipients without a result one that says why, and tells an idle connection that had gone from one that
// failed under way. It never makes a Failed: what is not known is tried again.
func (t *transaction) fail(ctx context.Context, err error) error {
	c := t.conn
	c.broken = true
	r := mail.Result{Status: mail.Deferred, Reply: failure(ctx, t.doing, err)}
	var bye closing
	switch {
	case ctx.Err() != nil:
		r.Status = mail.Unknown
	case c.sent > 0 && !t.heard:
		r.Status, err = mail.Unknown, fmt.Errorf("%w: %w", ErrStale, err)
	case errors.As(err, &bye):
		r.Reply = bye.Reply
	case errors.Is(err, ErrMessage):
		r.Reply = reply.LocalError.Because(err)
	}
	for i := range t.state {
		if t.state[i] != decided {
			t.results[i].Status, t.results[i].Reply = r.Status, r.Reply
		}
	}
	return fmt.Errorf("%s: %w", t.doing, err)
}
