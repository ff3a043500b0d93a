// SPDX-License-Identifier: MIT

package relay

import (
	"context"
	"errors"

	"posthouse/mail"
	"posthouse/reply"
	"posthouse/smtpclient"
)

// batch is how many recipients share a transaction (Postfix: default_destination_recipient_limit).
const batch = 50

// attempt is one Carry: one message, one hop after the other, until every recipient has a result that stands.
type attempt struct {
	relay     *Relay
	ctx       context.Context
	env       *mail.Envelope
	msg       *mail.Message
	from      mail.Path
	out       mail.Outcome
	open      []int // recipients for whom another host may still do
	contacted bool  // some host held a conversation
	trouble   reply.Reply
}

func (r *Relay) newAttempt(ctx context.Context, env *mail.Envelope, msg *mail.Message) *attempt {
	a := &attempt{relay: r, ctx: ctx, env: env, msg: msg, from: env.From,
		out: make(mail.Outcome, len(env.Recipients)), open: make([]int, len(env.Recipients))}
	for i := range a.open {
		a.open[i] = i
	}
	if len(env.Recipients) > 0 && env.Recipients[0].Sender != nil {
		a.from = *env.Recipients[0].Sender
	}
	return a
}

// levelFor is the TLS that a target needs. A socket needs none; REQUIRETLS needs a verified name (RFC 8689 4.2.1).
func (r *Relay) levelFor(t target, requireTLS bool) level {
	switch {
	case t.network == "unix" || t.lmtp && t.local:
		return none
	case requireTLS && !t.local:
		return max(r.level, verify)
	}
	return r.level
}

// visit tries one target and reports whether another one is worth a try. A kept conversation that has gone costs nothing but
// the attempt to write to it: the next one is tried, and a new one in the end.
func (a *attempt) visit(t target) bool {
	if a.ctx.Err() != nil {
		return false
	}
	k := keyOf(t, a.relay.levelFor(t, a.env.RequireTLS))
	for {
		c, fresh, err := a.relay.conversation(a.ctx, t, k)
		if err != nil {
			return a.noConversation(t, err)
		}
		err = a.carry(t, c.conn)
		if errors.Is(err, smtpclient.ErrStale) && !fresh {
			c.conn.Close()
			continue
		}
		a.contacted = true
		if t.member != nil {
			t.member.OK()
		}
		a.relay.idle.put(k, c)
		return len(a.open) > 0 && a.ctx.Err() == nil
	}
}

// conversation is one that is open already, or a new one.
func (r *Relay) conversation(ctx context.Context, t target, k poolKey) (c *resting, fresh bool, err error) {
	if c := r.idle.take(k); c != nil {
		return c, false, nil
	}
	conn, err := r.connect(ctx, t, k.level)
	if err != nil {
		return nil, true, err
	}
	return &resting{conn: conn, born: r.o.Now()}, true, nil
}

// noConversation notes why; another host may do.
func (a *attempt) noConversation(t target, err error) bool {
	if a.ctx.Err() != nil {
		return false
	}
	if t.member != nil && t.last {
		t.member.Fail()
	}
	r := reply.For(err)
	if a.env.RequireTLS && (errors.Is(err, smtpclient.ErrTLS) || r.Enhanced == reply.TLSRequired.Enhanced) {
		r = reply.RequireTLSFails.Because(err)
	}
	a.unusable(r)
	return true
}

// unusable notes why a host was passed over. What may pass comes before what will not: mail waits as long as one host
// could still take it.
func (a *attempt) unusable(r reply.Reply) {
	final := r.Enhanced == reply.RequireTLSFails.Enhanced
	if a.trouble.Code == 0 || !final {
		a.trouble = r
	}
}

// carry sends the message to all open recipients, in as many transactions as it takes. Its error says that the
// conversation is over.
func (a *attempt) carry(t target, c *smtpclient.Conn) error {
	if a.env.RequireTLS && !t.local && !c.Extensions().RequireTLS {
		a.unusable(reply.RequireTLSFails)
		return nil
	}
	todo, open := a.open, []int(nil)
	for len(todo) > 0 {
		now := todo[:min(len(todo), batch)]
		results, err := c.Send(a.ctx, a.env, now, a.from, a.msg)
		if errors.Is(err, smtpclient.ErrStale) {
			a.open = append(open, todo...)
			a.unusable(reply.ConnectionLost.Because(err))
			return err
		}
		again, next := a.sort(now, results, err)
		open, todo = append(open, next...), append(again, todo[len(now):]...)
		if err != nil {
			a.unusable(reply.ConnectionLost.Because(err))
			a.open = append(open, a.left(todo, err)...)
			return err
		}
	}
	a.open = open
	return nil
}

// sort files the results of a transaction: again are those who did not fit into it, next those for whom another host may
// do better.
func (a *attempt) sort(rcpts []int, results []mail.Result, err error) (again, next []int) {
	for i, n := range rcpts {
		r := results[i]
		a.out[n] = r
		switch {
		case smtpclient.TooMany(r) && err == nil:
			again = append(again, n)
		case r.Status == mail.Deferred && !hopeless(err):
			next = append(next, n)
		}
	}
	return again, next
}

// hopeless are errors that make sending to another host useless or harmful.
func hopeless(err error) bool {
	return errors.Is(err, smtpclient.ErrInDoubt) || errors.Is(err, smtpclient.ErrMessage)
}

// left are recipients whose transaction did not come about, because the one before ended the conversation.
func (a *attempt) left(todo []int, err error) []int {
	if errors.Is(err, smtpclient.ErrMessage) {
		for _, n := range todo {
			a.out[n] = mail.Result{Status: mail.Deferred, Reply: reply.LocalError.Because(err)}
		}
		return nil
	}
	return todo
}

// none is the outcome when there was no host to try.
func (a *attempt) none(no *refusal) mail.Outcome {
	if a.ctx.Err() != nil {
		return a.finish()
	}
	return mail.All(len(a.out), mail.Result{Status: no.status, Reply: no.reply, HopDead: no.dead})
}

// finish gives a result to those who have none. The end of ctx says nothing about the mail: Unknown.
func (a *attempt) finish() mail.Outcome {
	r := a.lastWord()
	for _, n := range a.open {
		if a.out[n].Reply.Code == 0 {
			a.out[n] = r
		}
	}
	return a.out
}

func (a *attempt) lastWord() mail.Result {
	switch {
	case a.ctx.Err() != nil:
		return mail.Result{Status: mail.Unknown, Reply: reply.ConnectionLost.With("Attempt was cut off").Because(a.ctx.Err())}
	case a.trouble.Code == 0:
		return mail.Result{Status: mail.Deferred, Reply: reply.NoContact, HopDead: !a.contacted}
	case a.trouble.Enhanced == reply.RequireTLSFails.Enhanced:
		return mail.Result{Status: mail.Failed, Reply: a.trouble}
	}
	return mail.Result{Status: mail.Deferred, Reply: smtpclient.Soften(a.trouble), HopDead: !a.contacted}
}
