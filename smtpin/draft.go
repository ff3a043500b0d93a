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
	trace      []mail.Field // our own fields above everything: what was found out, what tables add, Received
	msg        mail.Message // without them
	arrived    mail.Message // as it came, which signatures are about
	pass       bool         // a table says that filters are not to be asked
	discard    []mail.Draft // bodies written anew, for when all is done
}

// newDraft takes our Received field off, which filters do not see.
func (t *transaction) newDraft(msg *mail.Message) *draft {
	d := &draft{env: *t.env, msg: *msg, arrived: *msg}
	for _, r := range t.env.Recipients {
		d.recipients = append(d.recipients, given{Recipient: r})
	}
	if fields := msg.Header.Fields(); len(fields) > 0 && fields[0].Is("Received") {
		d.trace = fields[:1:1]
		d.arrived.Header.Replace("Received", 1, "")
	}
	return d
}

// cut takes our Received field off the message, which filters do not see; what a table has put in its place stays.
func (d *draft) cut() {
	if len(d.trace) == 0 {
		return
	}
	n := 0
	for _, f := range d.msg.Header.Fields() {
		if !f.Is("Received") {
			continue
		}
		if n++; f == d.trace[0] {
			d.msg.Header.Replace("Received", n, "")
			return
		}
	}
	d.trace = nil
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
	msg.Header.Prepend(d.trace...)
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
