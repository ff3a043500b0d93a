// SPDX-License-Identifier: MIT

package milter

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	protocol "github.com/emersion/go-milter"

	"posthouse/mail"
	"posthouse/reply"
)

// answer is what one filter makes of a message.
type answer struct {
	Verdict
	hold  string
	edits []Edit
	body  mail.Draft // nil: not replaced
}

// errOurs is a fault that is not the filter's: a body that cannot be read, a spool that takes none.
type errOurs struct{ error }

func (e errOurs) Unwrap() error { return e.error }

// message shows the filter a message and reads its verdict; all of it together has content_timeout.
func (c *conversation) message(ctx context.Context, env *mail.Envelope, msg *mail.Message) answer {
	if c.discards {
		return answer{Verdict: Verdict{Action: Discard, Milter: c.name}}
	}
	if !c.asked() {
		return answer{Verdict: c.standing, hold: c.downHold}
	}
	began, l := c.Now(), c.link
	l.wire.stage(time.Duration(c.ContentTimeout), time.Duration(c.ContentTimeout))
	stop := context.AfterFunc(ctx, func() { l.wire.Close() })
	end := ending{wire: l.wire, filter: c.filter, link: l, env: env}
	at, action, err := c.show(l, env, msg, &end)
	if !stop() {
		err = errors.Join(context.Cause(ctx), err)
	}
	took := c.Now().Sub(began)
	var v Verdict
	if err == nil {
		v, err = c.settle(at, action)
	}
	if err != nil {
		end.drop()
		return c.broken(at, err, took)
	}
	c.begun = c.begun && at != atEnd
	c.spoke = c.spoke || at == atEnd
	c.note(at, end.summary(answerOf(action, v)), took)
	if v.Action != Continue {
		end.drop()
		return answer{Verdict: v}
	}
	return end.answer
}

// broken is a message that was not judged. Where the fault is ours, no default_action may let it pass.
func (c *conversation) broken(at stage, err error, took time.Duration) answer {
	v := c.fail(at, err, took)
	if ours := (errOurs{}); errors.As(err, &ours) {
		return answer{Verdict: Verdict{Action: Tempfail, Reply: reply.LocalError.Because(err), Milter: c.name, Err: err}}
	}
	return answer{Verdict: v, hold: c.downHold}
}

// show sends the message up to the point where the filter has heard enough.
func (c *conversation) show(l *link, env *mail.Envelope, msg *mail.Message, end *ending) (stage, *protocol.Action, error) {
	for _, f := range msg.Header.Fields() {
		name, value := l.fieldText(f)
		if len(name)+len(value)+3 > maxPacket {
			return atHeader, nil, fmt.Errorf("header field %s: %w", name, errTooLarge)
		}
		if a, err := l.HeaderField(name, value); err != nil || a.Code != protocol.ActContinue {
			return atHeader, a, err
		}
	}
	if err := l.Macros(protocol.CodeEOH, macros("i", string(env.ID))...); err != nil {
		return atEOH, nil, err
	}
	if a, err := l.HeaderEnd(); err != nil || a.Code != protocol.ActContinue {
		return atEOH, a, err
	}
	if a, err := c.showBody(l, msg.Body); err != nil || a.Code != protocol.ActContinue {
		return atBody, a, err
	}
	if err := l.Macros(protocol.CodeEOB, macros("i", string(env.ID))...); err != nil {
		return atEnd, nil, err
	}
	a, err := end.read()
	return atEnd, a, err
}

// fieldText is a field as the filter gets it: LF for the CRLF of folds, and the one space behind the colon cut unless it asked
// to see it. Everything else is as it came, so that a signature with c=simple stays what it was.
func (l *link) fieldText(f mail.Field) (name, value string) {
	_, value, _ = strings.Cut(string(f), ":")
	value = strings.ReplaceAll(strings.TrimRight(value, "\r\n"), "\r\n", "\n")
	if !l.ProtocolOption(protocol.OptHeaderLeadingSpace) {
		value = strings.TrimPrefix(value, " ")
	}
	return cString(f.Name()), cString(value)
}

func (c *conversation) showBody(l *link, body mail.Body) (*protocol.Action, error) {
	goOn := &protocol.Action{Code: protocol.ActContinue}
	if l.ProtocolOption(protocol.OptNoBody) {
		return goOn, nil
	}
	r, err := body.Open()
	if err != nil {
		return nil, errOurs{err}
	}
	defer r.Close()
	chunk := c.chunks.Get().(*[]byte)
	defer c.chunks.Put(chunk)
	for {
		n, err := io.ReadFull(r, *chunk)
		if n > 0 {
			if a, err := l.BodyChunk((*chunk)[:n]); err != nil || a.Code != protocol.ActContinue {
				return a, err
			}
		}
		switch {
		case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
			return goOn, nil
		case err != nil:
			return nil, errOurs{err}
		}
	}
}
