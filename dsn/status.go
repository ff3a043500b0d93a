// SPDX-License-Identifier: MIT

package dsn

import (
	"bytes"
	"strings"

	"posthouse/mail"
	"posthouse/reply"
)

// statusPart is the part for programs: one group of fields for the message, one for each recipient (RFC 3464 2).
func (r *report) statusPart() part {
	var b bytes.Buffer
	if r.Envelope.EnvID != "" {
		field(&b, "Original-Envelope-Id", printable(r.Envelope.EnvID))
	}
	field(&b, "Reporting-MTA", "dns; "+r.Hostname)
	field(&b, "Arrival-Date", date(r.Envelope.Arrived))
	field(&b, "X-Posthouse-Queue-ID", string(r.Envelope.ID))
	for _, to := range r.Recipients {
		b.WriteString("\r\n")
		r.recipientFields(&b, to)
	}
	p := part{kind: "message/delivery-status", description: "Delivery report", content: b.Bytes()}
	if r.utf8 {
		p.kind = "message/global-delivery-status"
		p.encoding = encodingOf(p.content)
	}
	return p
}

// recipientFields is RFC 3464 2.3. Their order is the standard's.
func (r *report) recipientFields(b *bytes.Buffer, to Recipient) {
	field(b, "Original-Recipient", r.originalRecipient(to))
	field(b, "Final-Recipient", r.typed(to.To.String()))
	field(b, "Action", r.action(to.Result))
	field(b, "Status", r.status(to.Result))
	if name := remoteName(to.Result.Remote); name != "" {
		field(b, "Remote-MTA", "dns; "+name)
	}
	if to.Result.Reply.Code != 0 {
		folded(b, "Diagnostic-Code", diagnostic(to.Result))
	}
	if r.Kind != Success {
		field(b, "Last-Attempt-Date", date(r.Now))
	}
	if r.Kind == Delay && !r.RetryUntil.IsZero() {
		field(b, "Will-Retry-Until", date(r.RetryUntil))
	}
}

// originalRecipient is ORCPT as it was given, or the address that RCPT had.
func (r *report) originalRecipient(to Recipient) string {
	kind, address, found := strings.Cut(to.ORcpt, ";")
	switch {
	case !found && to.Given.IsNull():
		return r.typed(to.To.String())
	case !found:
		return r.typed(to.Given.String())
	case strings.EqualFold(kind, "utf-8"):
		return r.typed(address)
	}
	return printable(kind) + ";" + printable(address)
}

// typed is an address with its type (RFC 6533 3): rfc822 if it is ASCII, else utf-8, as it is or in ASCII as \x{..}.
func (r *report) typed(address string) string {
	switch {
	case isASCII(address):
		return "rfc822;" + printable(address)
	case r.utf8:
		return "utf-8;" + strings.ToValidUTF8(address, "?")
	}
	return "utf-8;" + embedded(address)
}

// action is RFC 3464 2.3.3. "relayed" tells the sender that no further report may come.
func (r *report) action(res mail.Result) string {
	switch {
	case r.Kind == Failure:
		return "failed"
	case r.Kind == Delay:
		return "delayed"
	case res.Status == mail.Relayed:
		return "relayed"
	}
	return "delivered"
}

// status is the reply's enhanced code (RFC 3463) in the class that the action wants; time that ran out has its own.
func (r *report) status(res mail.Result) string {
	class := "2"
	switch r.Kind {
	case Failure:
		class = "5"
	case Delay:
		class = "4"
	}
	if r.expired(res) {
		return reply.Expired.Enhanced
	}
	_, rest, found := strings.Cut(res.Reply.Enhanced, ".")
	if !found || !isDetail(rest) {
		rest = "0.0"
	}
	return class + "." + rest
}

func (r *report) expired(res mail.Result) bool {
	return r.Kind == Failure && res.Status != mail.Failed
}

// isDetail is subject "." detail, of three digits at most.
func isDetail(s string) bool {
	subject, detail, found := strings.Cut(s, ".")
	return found && isNumber(subject) && isNumber(detail)
}

func isNumber(s string) bool {
	return len(s) >= 1 && len(s) <= 3 && strings.Trim(s, "0123456789") == ""
}

// diagnostic is the reply: the remote's words, or ours, which are no SMTP dialogue (RFC 3464 2.3.6).
func diagnostic(res mail.Result) string {
	if res.Remote == "" {
		return "X-Posthouse; " + words(res.Reply)
	}
	return "smtp; " + words(res.Reply)
}

// remoteName is the name of "mx.example.test[192.0.2.1]:25"; "" for sockets and bare addresses, which mean nothing outside.
func remoteName(remote string) string {
	name, _, found := strings.Cut(remote, "[")
	if !found {
		return ""
	}
	name, err := mail.ParseDomain(name)
	if err != nil {
		return ""
	}
	return name
}
