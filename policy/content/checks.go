// SPDX-License-Identifier: MIT

package content

import (
	"context"

	"posthouse/mail"
	"posthouse/policy"
	"posthouse/table"
)

// BodySize is how much of each part body_checks sees, in octets (Postfix's body_checks_size_limit).
const BodySize = 51200

// Checks are the tables in force. Those that are nil ask nothing, but Mime and Nested stand for Header then.
type Checks struct {
	Header, Mime, Nested, Body table.View
	BodySize                   int64 // [BodySize]
}

// Result is what the tables want of a message.
type Result struct {
	Verdict policy.Verdict // Reject, Defer or Discard; Dunno otherwise
	Effects policy.Effects
	Pass    bool // PASS: filters are not asked either
	Header  mail.Header
	Body    mail.Body
	Draft   mail.Draft // not nil: Body, written anew. Discard it when the message is done, as any draft
	Hits    []Hit      // what matched, the first 50
	Faults  []string   // lines of tables that cannot be obeyed, and passed mail
}

// Hit is one match with the action taken, for log and trail.
type Hit struct {
	Action string // reject, warning, info, replace... as Postfix logs it
	Where  string // header or body
	Line   string // the field that matched: its first 200 octets, printable; "" of a body, which no log is to hold
	Text   string // what the action says
	Table  string // the line of the table
}

// String is the hit as Postfix logs it, "reject: header Subject: free: 5.7.1 no, thanks", but for the text of a body:
// "reject: body by body_checks:3".
func (h Hit) String() string {
	s := h.Action + ": " + h.subject()
	if h.Text != "" {
		s += ": " + h.Text
	}
	return s
}

func (h Hit) subject() string {
	if h.Line == "" {
		return h.Where + " by " + h.Table
	}
	return h.Where + " " + h.Line
}

// Examine asks the tables about a message. It should have our Received on top already: Postfix shows it to header_checks. An
// error is one of reading or writing the body.
func (c *Checks) Examine(ctx context.Context, msg *mail.Message, spool mail.Spool) (Result, error) {
	x := &examination{checks: c.complete(), result: Result{Header: msg.Header, Body: msg.Body}}
	s := &segments{x: x}
	x.fields(s, msg.Header)
	if x.over || !x.checks.readsBody() {
		return x.result, nil
	}
	e := &editor{body: msg.Body, spool: spool}
	defer e.close()
	if err := s.run(ctx, msg.Body, e); err != nil {
		e.discard()
		return Result{}, err
	}
	if x.result.Verdict.Action != policy.Dunno {
		e.discard()
		return x.result, nil
	}
	draft, err := e.finish()
	if err != nil {
		e.discard()
		return Result{}, err
	}
	if draft != nil {
		x.result.Draft, x.result.Body = draft, draft
	}
	return x.result, nil
}

func (c *Checks) complete() Checks {
	out := *c
	if out.Mime == nil {
		out.Mime = c.Header
	}
	if out.Nested == nil {
		out.Nested = c.Header
	}
	if out.BodySize <= 0 {
		out.BodySize = BodySize
	}
	return out
}

func (c *Checks) readsBody() bool { return c.Mime != nil || c.Nested != nil || c.Body != nil }

// fields asks about the fields at the top. Content-Type as it came tells how the body is divided.
func (x *examination) fields(s *segments, h mail.Header) {
	fields := h.Fields()
	var out []mail.Field // made once something changes
	for i, f := range fields {
		key := fieldKey(f)
		s.note(key)
		e := x.ask(x.view(primary, key), inHeader, key)
		if e != (edit{}) && out == nil {
			out = append(make([]mail.Field, 0, len(fields)+1), fields[:i]...)
		}
		if out == nil {
			continue
		}
		if e.before != "" {
			out = append(out, mail.Field(e.before))
		}
		switch {
		case e.replace:
			out = append(out, mail.Field(e.text))
		case !e.drop:
			out = append(out, f)
		}
	}
	if out == nil {
		return
	}
	x.result.Header = mail.Header{}
	x.result.Header.Append(out...)
}

// view is the table for a field.
func (x *examination) view(c class, key string) table.View {
	switch {
	case aboutMIME(key) || c == multipart:
		return x.checks.Mime
	case c == nested:
		return x.checks.Nested
	}
	return x.checks.Header
}
