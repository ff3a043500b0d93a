// SPDX-License-Identifier: MIT

package smtpin

import (
	"strings"

	"posthouse/mail"
	"posthouse/milter"
	"posthouse/reply"
)

// draft is a message on its way to the queue, as far as it has been worked on.
type draft struct {
	env        mail.Envelope
	recipients []given
	trace      []mail.Field // our own fields above everything: what was found out, what tables add
	msg        mail.Message // without them
	arrived    mail.Message // as it came
	received   mail.Field   // ours, while msg is without it
	pass       bool         // a table says that filters are not to be asked
	discard    []mail.Draft // bodies written anew, for when all is done
}

// newDraft begins one.
func (t *transaction) newDraft(msg *mail.Message) *draft {
	d := &draft{env: *t.env, msg: *msg, arrived: *msg}
	d.recipients = make([]given, 0, len(t.env.Recipients))
	for _, r := range t.env.Recipients {
		d.recipients = append(d.recipients, given{Recipient: r})
	}
	return d
}

// uncover takes our Received field off the message, which filters do not see; what a table has put in its place stays.
func (d *draft) uncover() {
	ours := traceOf(d.arrived.Header)
	n := 0
	for _, f := range d.msg.Header.Fields() {
		if !f.Is("Received") {
			continue
		}
		if n++; f == ours {
			d.msg.Header.Replace("Received", n, "")
			d.received = ours
			return
		}
	}
}

// signed is the message as it was sent, which signatures are about.
func (d *draft) signed() *mail.Message {
	msg := d.arrived
	if traceOf(msg.Header) != "" {
		msg.Header.Replace("Received", 1, "")
	}
	return &msg
}

// traceOf is the field that the frame has put on top, "" if there is none.
func traceOf(h mail.Header) mail.Field {
	if fields := h.Fields(); len(fields) > 0 && fields[0].Is("Received") {
		return fields[0]
	}
	return ""
}

// keep remembers a body that filters have written, which is ours to give back.
func (d *draft) keep(body mail.Body) {
	if written, ok := body.(mail.Draft); ok && body != d.msg.Body {
		d.discard = append(d.discard, written)
	}
}

// close gives back the bodies that the queue has not adopted.
func (d *draft) close() {
	for _, body := range d.discard {
		body.Discard()
	}
}

// message is the draft with our fields on top.
func (d *draft) message() *mail.Message {
	msg := d.msg
	if d.received != "" {
		msg.Header.Prepend(append(d.trace[:len(d.trace):len(d.trace)], d.received)...)
	} else if len(d.trace) > 0 {
		msg.Header.Prepend(d.trace...)
	}
	return &msg
}

// prepend puts fields above those that are there.
func (d *draft) prepend(fields ...mail.Field) {
	d.trace = append(fields[:len(fields):len(fields)], d.trace...)
}

// edit makes the changes that the filters want.
func (d *draft) edit(r milter.Result) error {
	milter.Apply(r.Edits, &d.msg.Header)
	for _, e := range r.Edits {
		switch e.Kind {
		case milter.ReplaceBody:
			if err := d.replaceBody(r.Body); err != nil {
				return err
			}
		case milter.AddRecipient:
			d.recipients = append(d.recipients, given{e.Recipient, "milter " + e.Milter})
		case milter.DeleteRecipient:
			d.drop(e.Path)
		case milter.ChangeSender:
			d.env.From = e.Path
		}
	}
	return nil
}

// drop takes out a recipient as RCPT or a filter named it, and with it all that it would have become.
func (d *draft) drop(p mail.Path) {
	kept := d.recipients[:0:0]
	for _, g := range d.recipients {
		if !same(g.Given, p) && !same(g.To, p) {
			kept = append(kept, g)
		}
	}
	d.recipients = kept
}

// same compares as aliases do, without regard to case: a filter may not keep it.
func same(a, b mail.Path) bool {
	return a.Domain() == b.Domain() && strings.EqualFold(a.Local(), b.Local())
}

// replaceBody takes another body, and looks at what its octets need of the way.
func (d *draft) replaceBody(body mail.Body) error {
	eightBit, err := mail.HighBit(body)
	if err != nil {
		return reply.LocalError.Because(err)
	}
	d.msg.Body, d.env.EightBit = body, eightBit
	return nil
}
