// SPDX-License-Identifier: MIT

package milter

import (
	"context"

	"posthouse/mail"
)

// Session is one SMTP connection's conversations with the filters. Its methods are called one after another, never two at
// once; all go on if the Session is nil.
type Session struct {
	conversations []*conversation
}

// Mail waits for what connect said, tells HELO where it has not been told yet, then MAIL. A filter that refused the client at
// connect or HELO refuses each MAIL.
func (s *Session) Mail(ctx context.Context, env *mail.Envelope) Verdict {
	s.Reset()
	for _, stage := range []func(*conversation) Verdict{
		func(c *conversation) Verdict { return c.ready(ctx, &env.Client) },
		func(c *conversation) Verdict { return c.helo(ctx, &env.Client) },
		func(c *conversation) Verdict { return c.mail(ctx, env) },
	} {
		if v := s.each(stage); v.Action != Continue {
			return v
		}
	}
	return Verdict{}
}

// Rcpt tells one RCPT; a refusal is of that recipient only.
func (s *Session) Rcpt(ctx context.Context, env *mail.Envelope, to mail.Recipient) Verdict {
	return s.each(func(c *conversation) Verdict { return c.rcpt(ctx, env, to) })
}

// Data tells DATA, after the last RCPT.
func (s *Session) Data(ctx context.Context, env *mail.Envelope) Verdict {
	return s.each(func(c *conversation) Verdict { return c.data(ctx, env) })
}

// each asks one filter after the other, until one does not go on.
func (s *Session) each(ask func(*conversation) Verdict) Verdict {
	if s == nil {
		return Verdict{}
	}
	for _, c := range s.conversations {
		if v := ask(c); v.Action != Continue {
			return v
		}
	}
	return Verdict{}
}

// Message shows header and body, which come without our own Received field, to each filter in turn; one sees what those
// before it changed, as in Postfix. Afterwards the session is ready for the next MAIL. A Result.Body that is not the
// message's own is a Draft, which the caller discards.
func (s *Session) Message(ctx context.Context, env *mail.Envelope, msg *mail.Message) Result {
	result := Result{Body: msg.Body}
	if s == nil {
		return result
	}
	now := *msg
	for _, c := range s.conversations {
		answer := c.message(ctx, env, &now)
		if answer.body != nil {
			drop(now.Body, msg.Body)
			now.Body = answer.body
		}
		result.Verdict, result.Hold = answer.Verdict, first(result.Hold, answer.hold)
		result.Spoke = result.Spoke || c.spoke
		if result.Action != Continue {
			break
		}
		Apply(answer.edits, &now.Header)
		result.Edits = append(result.Edits, answer.edits...)
	}
	result.Notes = s.Notes()
	if result.Body = now.Body; result.Action != Continue {
		drop(now.Body, msg.Body)
		result.Body, result.Edits = msg.Body, nil
	}
	s.Reset()
	return result
}

// drop discards a body that a filter gave, once it is not wanted.
func drop(body, own mail.Body) {
	if d, ok := body.(mail.Draft); ok && body != own {
		d.Discard()
	}
}

func first(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

// Notes are the answers so far, of connect and HELO and of the message at hand, for the trail. It does not wait: what is
// still being asked at connect is left out.
func (s *Session) Notes() []Note {
	if s == nil {
		return nil
	}
	var notes []Note
	for _, c := range s.conversations {
		notes = append(notes, c.told()...)
	}
	return notes
}

// Reset gives the message up (RSET, a refused MAIL, a broken DATA); the session is ready for the next MAIL.
func (s *Session) Reset() {
	if s == nil {
		return
	}
	for _, c := range s.conversations {
		c.reset()
	}
}

// Close ends the conversations. It does not wait for the filters.
func (s *Session) Close() {
	if s == nil {
		return
	}
	for _, c := range s.conversations {
		c.end()
	}
}
