// SPDX-License-Identifier: MIT

package smtpclient

import (
	"context"
	"fmt"

	"posthouse/mail"
	"posthouse/reply"
)

// transaction is one message on its way to some of its recipients, from MAIL to the reply to the final dot.
type transaction struct {
	conn     *Conn
	env      *mail.Envelope
	msg      *mail.Message
	from     mail.Path
	rcpts    []int // indices in env.Recipients
	need     needs
	size     int64
	results  []mail.Result
	state    []state
	accepted int  // recipients in state accepted
	heard    bool // the server answered something
	refused  bool // MAIL was refused
	goAhead  bool // DATA was answered 354
	doing    string
}

// state is how far a recipient got.
type state uint8

const (
	pending  state = iota
	accepted       // RCPT was answered 2yz
	decided        // its result stands
)

// window is how much of a pipeline is written before its replies are read: more could fill both directions' buffers, and
// both sides would wait for ever (RFC 2920 3.1).
const window = 4096

// Send carries msg from from to the recipients of env that rcpts names, and returns a result for each, in the order of
// rcpts. A recipient beyond what the server takes at once is Deferred, and TooMany tells. An error says that the conversation is over; the results stand all the same. When ErrStale
// is in its chain, nothing was sent and all results are Unknown.
func (c *Conn) Send(ctx context.Context, env *mail.Envelope, rcpts []int, from mail.Path, msg *mail.Message) ([]mail.Result, error) {
	defer c.watch(ctx)()
	t := &transaction{conn: c, env: env, msg: msg, from: from, rcpts: rcpts, size: msg.Size(),
		results: make([]mail.Result, len(rcpts)), state: make([]state, len(rcpts))}
	for i := range t.results {
		t.results[i].Remote, t.results[i].TLS = c.options.Remote, c.tls
	}
	t.need = t.computeNeeds()
	if r := t.unfit(); r.Code != 0 {
		t.settle(pending, r)
		return t.results, nil
	}
	if err := t.run(); err != nil {
		return t.results, t.fail(ctx, err)
	}
	c.sent++
	return t.results, nil
}

func (t *transaction) run() error {
	t.doing = "beginning a transaction"
	if t.conn.sent > 0 && t.conn.in.Buffered() > 0 {
		return errUnasked
	}
	if err := t.envelope(); err != nil {
		return err
	}
	if !t.goAhead {
		t.conn.dirty = true
		return nil
	}
	if t.accepted == 0 {
		return t.nobody()
	}
	if err := t.content(); err != nil {
		return err
	}
	t.doing = "waiting for the reply to the final dot"
	if err := t.verdict(); err != nil {
		return fmt.Errorf("%w: %w", ErrInDoubt, err)
	}
	return nil
}

// errUnasked would be taken for the reply to the next command, and each reply after it for that to one command later: a
// refused recipient would pass for taken, and one that was taken would be returned.
var errUnasked = fmt.Errorf("%w: a reply that nobody asked for", errProtocol)

// The steps of the envelope; those between are recipients, as their index in rcpts.
const (
	stepReset = -2
	stepMail  = -1
)

// envelope sends RSET where it is due, MAIL, every RCPT and DATA, and reads their replies: in one go where the server
// takes pipelines, one by one where it does not.
func (t *transaction) envelope() error {
	first, data := stepMail, len(t.rcpts)
	if t.conn.dirty {
		first = stepReset
	}
	unread := first
	for step := first; step <= data && !t.pointless(step); step++ {
		t.push(step)
		if t.conn.ext.Pipelining && step < data && len(t.conn.out) < window {
			continue
		}
		if err := t.collect(unread, step); err != nil {
			return err
		}
		unread = step + 1
	}
	return nil
}

// pointless reports that what is known already makes a step idle.
func (t *transaction) pointless(step int) bool {
	return t.refused || step == len(t.rcpts) && t.accepted == 0 && len(t.conn.out) == 0
}

// push gathers the command of a step.
func (t *transaction) push(step int) {
	out := t.conn.out
	switch {
	case step == stepReset:
		out = append(out, "RSET\r\n"...)
	case step == stepMail:
		out = t.appendMail(out)
	case step < len(t.rcpts):
		out = t.appendRcpt(out, &t.env.Recipients[t.rcpts[step]])
	default:
		out = append(out, "DATA\r\n"...)
	}
	t.conn.out = out
}

// collect sends what is gathered and reads the replies of the steps from first to last.
func (t *transaction) collect(first, last int) error {
	limits := &t.conn.options.Timeouts
	t.doing = "sending the envelope"
	if err := t.conn.flush(limits.Command); err != nil {
		return t.lastWords(err)
	}
	for step := first; step <= last; step++ {
		limit := limits.Command
		if step == len(t.rcpts) {
			limit = limits.Data
		}
		t.doing = "waiting for the reply to " + t.verb(step)
		r, err := t.conn.reply(limit, nil)
		if err != nil {
			return err
		}
		if err := t.took(step, r); err != nil {
			return err
		}
	}
	return nil
}

func (t *transaction) verb(step int) string {
	switch {
	case step == stepReset:
		return "RSET"
	case step == stepMail:
		return "MAIL"
	case step < len(t.rcpts):
		return "RCPT"
	}
	return "DATA"
}

// took judges the reply to a step.
func (t *transaction) took(step int, r reply.Reply) error {
	switch {
	case r.Code == 421: // leaves, whatever was asked (RFC 5321 3.8)
		return closing{r}
	case step == stepReset && r.Code/100 != 2: // speaks of the conversation, and not of the mail
		return closing{Soften(r)}
	}
	t.heard = true
	class := r.Code / 100
	switch {
	case class == 4 || class == 5:
		t.refuse(step, r)
		return nil
	case step == len(t.rcpts) && r.Code == 354:
		t.goAhead = true
		return nil
	case step == len(t.rcpts) || class != 2:
		return fmt.Errorf("%w: %d in answer to %s", errProtocol, r.Code, t.verb(step))
	case step >= 0 && !t.refused:
		t.state[step] = accepted
		t.accepted++
	case step == stepReset:
		t.conn.dirty = false
	}
	return nil
}

// nobody ends a DATA that was let through with no recipient left, as a pipeline may bring about: an empty message, whose
// reply matters to no one (RFC 2920 3.1). LMTP has no such reply: one a recipient makes none.
func (t *transaction) nobody() error {
	t.doing = "ending an empty transaction"
	if t.conn.options.LMTP {
		return fmt.Errorf("%w: DATA is let through with no recipient taken", errProtocol)
	}
	_, err := t.conn.ask(".", t.conn.options.Timeouts.Dot, nil)
	return err
}

// verdict reads the reply to the final dot; in LMTP one for each accepted recipient (RFC 2033 4.2).
func (t *transaction) verdict() error {
	for i := range t.state {
		if t.state[i] != accepted {
			continue
		}
		r, err := t.conn.reply(t.conn.options.Timeouts.Dot, nil)
		switch {
		case err != nil:
			return err
		case r.Code/100 == 3:
			return fmt.Errorf("%w: %d in answer to the final dot", errProtocol, r.Code)
		case r.Code == 421:
			return closing{r}
		case t.conn.options.LMTP:
			t.decide(i, r)
		default:
			t.settle(accepted, r)
		}
	}
	return nil
}
