// SPDX-License-Identifier: MIT

package milter

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	protocol "github.com/emersion/go-milter"

	"posthouse/mail"
	"posthouse/reply"
)

var (
	errEnded  = errors.New("the client has gone")
	errWaited = errors.New("no time left to wait for the filter")
)

// maxNotes bounds the trail of one filter: a message to a thousand recipients needs no thousand lines.
const maxNotes = 100

// conversation is one filter's part in a session. Until opened is closed, a goroutine of its own has it.
type conversation struct {
	*filter
	cancel    context.CancelCauseFunc
	opened    chan struct{}
	link      *link   // nil: there is none, or no longer
	standing  Verdict // to every MAIL: the filter refused the client, or cannot be asked
	downHold  string  // the filter cannot be asked, and messages are to be held
	greeted   bool    // it answered connect
	retry     bool    // it failed after it had been at work: another try at the next MAIL
	skipAll   bool    // it accepted the connection
	skip      bool    // it accepted the message
	spoke     bool    // it judged this message itself
	discards  bool    // it wants nobody to get this message
	begun     bool    // told of a MAIL that it knows no end of
	toldHELO  string
	notes     []Note
	permanent int // notes that are of the connection
}

func begin(f *filter) *conversation {
	c := &conversation{filter: f}
	c.start()
	return c
}

// start opens the conversation in the background. It lives as long as the SMTP connection, so it has a context of its own.
func (c *conversation) start() {
	ctx, cancel := context.WithCancelCause(context.Background())
	opened := make(chan struct{})
	c.cancel, c.opened = cancel, opened
	go func() {
		defer close(opened)
		c.connect(ctx)
	}()
}

func (c *conversation) connect(ctx context.Context) {
	began := c.Now()
	opening, cancel := context.WithTimeout(ctx, time.Duration(c.ConnectTimeout))
	defer cancel()
	defer func() { // nobody else is there to catch it
		if p := recover(); p != nil {
			c.fail(atConnect, fmt.Errorf("panic: %v", p), c.Now().Sub(began))
			c.permanent = len(c.notes)
		}
	}()
	l, err := c.open(opening)
	if err != nil {
		c.fail(atConnect, errors.Join(context.Cause(ctx), err), c.Now().Sub(began))
		c.permanent = len(c.notes)
		return
	}
	c.link = l
}

// ready waits until the filter is there, and tells it of the client: only now, since the client's name is looked up while it
// greets, and Postfix tells a name. A filter that was lost since is sought anew.
func (c *conversation) ready(ctx context.Context, client *mail.Client) Verdict {
	if c.idle() && c.retry {
		c.retry, c.standing, c.downHold, c.toldHELO, c.greeted = false, Verdict{}, "", "", false
		c.start()
	}
	select {
	case <-c.opened:
	case <-ctx.Done():
		c.cancel(errWaited)
		<-c.opened
	}
	if c.link != nil && !c.greeted {
		c.greet(ctx, client)
	}
	return c.standing
}

func (c *conversation) greet(ctx context.Context, client *mail.Client) {
	v := c.ask(ctx, atConnect, func(l *link) (*protocol.Action, error) {
		if err := l.Macros(protocol.CodeConn, c.connectMacros(client)...); err != nil {
			return nil, err
		}
		return l.Conn(peer(client))
	})
	c.greeted, c.standing, c.permanent = c.link != nil, v, len(c.notes)
}

func (c *conversation) helo(ctx context.Context, client *mail.Client) Verdict {
	if client.HELO == "" || client.HELO == c.toldHELO {
		return c.standing
	}
	c.toldHELO = client.HELO
	v := c.ask(ctx, atHelo, func(l *link) (*protocol.Action, error) {
		if err := l.Macros(protocol.CodeHelo, heloMacros(client)...); err != nil {
			return nil, err
		}
		return l.Helo(cString(client.HELO))
	})
	c.standing, c.permanent = v, len(c.notes)
	return v
}

func (c *conversation) mail(ctx context.Context, env *mail.Envelope) Verdict {
	return c.ask(ctx, atMail, func(l *link) (*protocol.Action, error) {
		c.begun = true
		if err := l.Macros(protocol.CodeMail, mailMacros(env)...); err != nil {
			return nil, err
		}
		return l.Mail(cString(env.From.String()), mailParams(env))
	})
}

func (c *conversation) rcpt(ctx context.Context, env *mail.Envelope, to mail.Recipient) Verdict {
	given := to.Given
	if given.IsNull() {
		given = to.To
	}
	return c.ask(ctx, atRcpt, func(l *link) (*protocol.Action, error) {
		if err := l.Macros(protocol.CodeRcpt, rcptMacros(env, given)...); err != nil {
			return nil, err
		}
		return l.Rcpt(cString(given.String()), rcptParams(&to))
	})
}

// data tells DATA, for which go-milter has no call.
func (c *conversation) data(ctx context.Context, env *mail.Envelope) Verdict {
	return c.ask(ctx, atData, func(l *link) (*protocol.Action, error) {
		if err := l.Macros(protocol.CodeData, macros("i", string(env.ID))...); err != nil {
			return nil, err
		}
		if l.old || l.ProtocolOption(protocol.OptNoData) {
			return &protocol.Action{Code: protocol.ActContinue}, nil
		}
		if err := l.wire.send(byte(protocol.CodeData)); err != nil {
			return nil, err
		}
		if l.ProtocolOption(protocol.OptNoDataReply) {
			return &protocol.Action{Code: protocol.ActContinue}, nil
		}
		return l.wire.decision()
	})
}

// asked reports whether the filter still takes part in this message.
func (c *conversation) asked() bool { return c.link != nil && !c.skipAll && !c.skip }

// ask is one event and its answer, in bounded time.
func (c *conversation) ask(ctx context.Context, at stage, say func(*link) (*protocol.Action, error)) Verdict {
	if !c.asked() {
		return c.standing
	}
	began, l := c.Now(), c.link
	l.wire.stage(time.Duration(c.CommandTimeout), time.Duration(c.ContentTimeout))
	stop := context.AfterFunc(ctx, func() { l.wire.Close() })
	action, err := say(l)
	if err == nil {
		err = l.wire.flush()
	}
	if !stop() {
		err = errors.Join(context.Cause(ctx), err)
	}
	took := c.Now().Sub(began)
	if err != nil {
		return c.fail(at, err, took)
	}
	v, err := c.settle(at, action)
	if err != nil {
		return c.fail(at, err, took)
	}
	if l.answered(at) {
		c.note(at, answerOf(action, v), took)
	}
	return v
}

// settle is what an answer means for the session, as Postfix has it.
func (c *conversation) settle(at stage, a *protocol.Action) (Verdict, error) {
	v := Verdict{Milter: c.name}
	switch a.Code {
	case protocol.ActContinue:
		return Verdict{}, nil
	case protocol.ActAccept:
		c.spoke = c.spoke || !at.ofConnection()
		c.skipAll, c.skip = c.skipAll || at.ofConnection(), true
		return Verdict{}, nil
	case protocol.ActDiscard:
		if at.ofConnection() {
			c.Log.Warn("milter: discard means nothing at "+at.String(), "milter", c.name)
			return Verdict{}, nil
		}
		c.skip, c.discards, v.Action = true, true, Discard
	case protocol.ActReject:
		v.Action, v.Reply = Reject, reply.FilterRejects
	case protocol.ActTempFail:
		v.Action, v.Reply = Tempfail, reply.FilterDefers
	case protocol.ActReplyCode:
		r, err := parseReply(a)
		if err != nil {
			return Verdict{}, err
		}
		if v.Action, v.Reply = Reject, r; r.Temporary() {
			v.Action = Tempfail
		}
	default:
		return Verdict{}, fmt.Errorf("%w: answer %q", errGarbage, byte(a.Code))
	}
	c.spoke = c.spoke || !at.ofConnection()
	if v.Refused() {
		v.Reply = v.Reply.Because(fmt.Errorf("milter %s at %s", c.name, at))
	}
	return v, nil
}

// fail ends the conversation: default_action stands in for the filter from now on.
func (c *conversation) fail(at stage, err error, took time.Duration) Verdict {
	blame := errors.Is(err, errWaited) || !errors.Is(err, errEnded) && !errors.Is(err, context.Canceled)
	if c.link != nil {
		c.link.wire.Close()
		c.link.free()
		if blame {
			c.link.lost()
		}
		c.link, c.retry = nil, c.greeted
	}
	c.note(at, "failed: "+c.DefaultAction+" ("+strings.ReplaceAll(err.Error(), "\n", "; ")+")", took)
	err = fmt.Errorf("milter %s at %s: %w", c.name, at, err)
	if blame {
		c.Log.Warn("milter failed", "milter", c.name, "stage", at.String(), "default_action", c.DefaultAction, "err", err)
		if c.Failed != nil {
			c.Failed(c.name)
		}
	}
	c.standing = Verdict{Milter: c.name, Err: err}
	switch c.DefaultAction {
	case "accept":
		c.standing = Verdict{}
	case "quarantine":
		c.standing, c.downHold = Verdict{}, "milter "+c.name+" failed"
	case "reject":
		c.standing.Action, c.standing.Reply = Reject, reply.FilterDown.Because(err)
	default:
		c.standing.Action, c.standing.Reply = Tempfail, reply.FilterDefers.Because(err)
	}
	return c.standing
}

// idle reports that connect has been answered, and the conversation is its session's alone.
func (c *conversation) idle() bool {
	select {
	case <-c.opened:
		return true
	default:
		return false
	}
}

// reset tells the filter that the message came to nothing, unless it has judged it.
func (c *conversation) reset() {
	if !c.idle() {
		return // MAIL has not been told
	}
	if c.begun && c.link != nil {
		c.link.wire.stage(time.Duration(c.CommandTimeout), time.Duration(c.CommandTimeout))
		err := c.link.wire.send(byte(protocol.CodeAbort))
		if err == nil {
			err = c.link.wire.flush()
		}
		if err != nil {
			c.fail(atAbort, err, 0)
		}
	}
	c.begun, c.skip, c.spoke, c.discards = false, false, false, false
	c.notes = c.notes[:min(c.permanent, len(c.notes))]
}

// end says goodbye in the background.
func (c *conversation) end() {
	c.cancel(errEnded)
	go func() {
		defer func() { _ = recover() }() // a farewell hurts nobody
		<-c.opened
		if c.link == nil {
			return
		}
		w := c.link.wire
		w.stage(farewell, farewell)
		if c.begun {
			_ = w.send(byte(protocol.CodeAbort))
		}
		if w.send(byte(protocol.CodeQuit)) == nil {
			_ = w.flush()
		}
		w.Close()
		c.link.free()
	}()
}

// farewell is how long a filter may take to hear our QUIT.
const farewell = 5 * time.Second

func (c *conversation) note(at stage, answer string, took time.Duration) {
	if len(c.notes) < maxNotes {
		c.notes = append(c.notes, Note{Milter: c.name, Stage: at.String(), Answer: answer, Took: took})
	}
}

// told is the notes, without waiting for those of connect.
func (c *conversation) told() []Note {
	if !c.idle() {
		return nil
	}
	return c.notes
}

// answerOf is an answer in a word, for the trail.
func answerOf(a *protocol.Action, v Verdict) string {
	switch {
	case v.Refused():
		return v.Reply.String()
	case a.Code == protocol.ActAccept:
		return "accept"
	}
	return v.Action.String()
}
