// SPDX-License-Identifier: MIT

package dsn

import (
	"bytes"
	"time"

	"posthouse/mail"
)

// message puts header and parts together.
func (r *report) message() *mail.Message {
	boundary := "report-" + string(r.ID)
	var body bytes.Buffer
	body.WriteString("This is a report in MIME format (RFC 3464).\r\n")
	for _, p := range []part{r.textPart(), r.statusPart(), r.originalPart()} {
		body.WriteString("\r\n--" + boundary + "\r\n")
		p.write(&body)
		r.eightBit = r.eightBit || p.encoding == "8bit"
	}
	body.WriteString("\r\n--" + boundary + "--\r\n")
	return &mail.Message{Header: r.header(boundary), Body: mail.Bytes(body.Bytes())}
}

// part is one of the three. content ends in CRLF and is encoded already.
type part struct {
	kind, description, encoding string
	content                     []byte
}

func (p part) write(b *bytes.Buffer) {
	b.WriteString("Content-Type: " + p.kind + "\r\n")
	b.WriteString("Content-Description: " + p.description + "\r\n")
	if p.encoding != "" {
		b.WriteString("Content-Transfer-Encoding: " + p.encoding + "\r\n")
	}
	b.WriteString("\r\n")
	b.Write(p.content)
}

// header is the report's own. Auto-Submitted keeps vacation programs quiet (RFC 3834 5).
func (r *report) header(boundary string) mail.Header {
	var h mail.Header
	h.Append(
		mail.NewField("From", "Mail Delivery System <mailer-daemon@"+r.Hostname+">"),
		mail.NewField("To", r.Envelope.From.Wire()),
		mail.NewField("Subject", r.subject()),
		mail.NewField("Date", date(r.Now)),
		mail.NewField("Message-ID", "<"+string(r.ID)+"@"+r.Hostname+">"),
	)
	if id := r.Message.Header.Get("Message-ID"); isMessageID(id) {
		h.Append(mail.NewField("In-Reply-To", id), mail.NewField("References", id))
	}
	h.Append(
		mail.NewField("Auto-Submitted", "auto-replied"),
		mail.NewField("MIME-Version", "1.0"),
		mail.NewField("Content-Type", "multipart/report; report-type="+r.reportType()+";\r\n\tboundary=\""+boundary+"\""),
	)
	if r.eightBit {
		h.Append(mail.NewField("Content-Transfer-Encoding", "8bit"))
	}
	return h
}

func (r *report) subject() string {
	switch r.Kind {
	case Delay:
		return "Your message is delayed, and is still being tried"
	case Success:
		return "Your message has been delivered"
	}
	return "Your message could not be delivered"
}

// reportType is the subtype of the second part (RFC 6522 3).
func (r *report) reportType() string {
	if r.utf8 {
		return "global-delivery-status"
	}
	return "delivery-status"
}

// isMessageID lets nothing through that is not one msg-id, of a length that fits a line.
func isMessageID(s string) bool {
	if len(s) < 3 || len(s) > 250 || s[0] != '<' || s[len(s)-1] != '>' {
		return false
	}
	for i := 1; i < len(s)-1; i++ {
		if s[i] <= ' ' || s[i] > '~' || s[i] == '<' || s[i] == '>' {
			return false
		}
	}
	return true
}

// date is RFC 5322 3.3.
func date(t time.Time) string { return t.Format("Mon, 02 Jan 2006 15:04:05 -0700") }
