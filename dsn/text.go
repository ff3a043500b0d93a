// SPDX-License-Identifier: MIT

package dsn

import (
	"bytes"
	"fmt"
	"strings"

	"posthouse/mail"
)

// textPart is the part for a person: what happened to whom, and what to do now.
func (r *report) textPart() part {
	var b bytes.Buffer
	paragraph(&b, "", "This is the mail service at "+r.Hostname+".")
	paragraph(&b, "", r.opening())
	for _, to := range r.Recipients {
		r.recipientText(&b, to)
	}
	paragraph(&b, "", "If you need help, write to <postmaster@"+r.Hostname+"> and send this report along.")
	p := part{kind: "text/plain; charset=us-ascii", description: "Notification", content: bytes.TrimSuffix(b.Bytes(), []byte("\r\n"))}
	if !isASCII(b.String()) {
		p.kind, p.encoding, p.content = "text/plain; charset=utf-8", "quoted-printable", quotedPrintable(p.content)
	}
	return p
}

// opening is the sentence that matters most.
func (r *report) opening() string {
	switch r.Kind {
	case Delay:
		s := "Your message has not reached the recipients below yet. You need not send it again: it is still being tried"
		if !r.RetryUntil.IsZero() {
			s += ", until " + date(r.RetryUntil)
		}
		return s + "."
	case Success:
		return "You asked to be told when your message arrives. This is that notice."
	}
	return "Your message could not be delivered to the recipients below, and it is not tried any more. To reach them, send it " +
		"again when the cause is mended. The report ends with your message, or with its header."
}

// recipientText is one address, the reason in the words we got, and advice.
func (r *report) recipientText(b *bytes.Buffer, to Recipient) {
	address := "<" + clean(to.To.String()) + ">"
	if !to.Given.IsNull() && to.Given != to.To {
		address += " (you wrote to <" + clean(to.Given.String()) + ">)"
	}
	b.WriteString("  " + address + "\r\n")
	paragraph(b, "    ", r.reason(to.Result))
	if r.Kind == Failure {
		paragraph(b, "    ", r.advice(to.Result))
	}
}

// reason says who said what.
func (r *report) reason(res mail.Result) string {
	said := words(res.Reply)
	switch {
	case r.Kind == Success && res.Status == mail.Relayed:
		next := "the next mail server"
		if name := remoteName(res.Remote); name != "" {
			next += ", " + name
		}
		return "was handed to " + next + ", which does not send notices. You may hear no more of it."
	case r.Kind == Success:
		return "was delivered."
	case said == "":
		return "no reason is known."
	case r.expired(res):
		return fmt.Sprintf("was tried since %s. The last attempt ended with: %s", date(r.Envelope.Arrived), said)
	case res.Remote != "":
		return server(res) + " said: " + said
	}
	return said
}

func server(res mail.Result) string {
	if name := remoteName(res.Remote); name != "" {
		return name
	}
	return "the mail server"
}

// advice goes by the subject of the status code (RFC 3463 3).
func (r *report) advice(res mail.Result) string {
	status := r.status(res)
	switch {
	case r.expired(res):
		return "The recipient's mail server could not be reached, or put us off each time. Try again later, or reach the recipient another way."
	case strings.HasPrefix(status, "5.1."):
		return "Check the address for mistakes. If it was right before, ask the recipient for the new one."
	case status == "5.2.2":
		return "The mailbox is full. Try again when the recipient has made room."
	case status == "5.3.4" || status == "5.2.3":
		return "The message is too large. Send it in parts, or send a link to what you had attached."
	case strings.HasPrefix(status, "5.7."):
		return "The recipient's mail service refuses this message by its rules. Ask the recipient, or the postmaster there, what the rules are."
	case status == "5.4.6":
		return "The message went in a circle. That is a fault of the mail services on its way, and their postmasters can mend it."
	}
	return "If the words above do not help, ask the recipient or the postmaster of the recipient's mail service."
}
