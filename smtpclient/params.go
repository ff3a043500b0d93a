// SPDX-License-Identifier: MIT

package smtpclient

import (
	"strconv"
	"strings"
	"unicode/utf8"

	"posthouse/mail"
	"posthouse/reply"
)

// needs is what a message asks of a server, computed from its octets and not from what its sender claimed.
type needs struct{ eightBit, utf8Envelope, utf8Header bool }

func (t *transaction) computeNeeds() needs {
	n := needs{eightBit: t.env.EightBit, utf8Envelope: t.from.NeedsUTF8(), utf8Header: t.msg.Header.EightBit()}
	for _, i := range t.rcpts {
		n.utf8Envelope = n.utf8Envelope || t.env.Recipients[i].To.NeedsUTF8()
	}
	return n
}

// unfit is the reply for a message that this server cannot take; its Code is 0 if it can. UTF-8 in header fields alone
// goes to LMTP as it is: Dovecot 2.3 offers no SMTPUTF8 and stores such mail without harm.
func (t *transaction) unfit() reply.Reply {
	ext := &t.conn.ext
	switch secure := t.conn.tls != ""; {
	case t.env.RequireTLS && !t.conn.options.Trusted && !(secure && ext.RequireTLS):
		return reply.RequireTLSFails
	case t.need.utf8Envelope && !ext.SMTPUTF8:
		return reply.NoSMTPUTF8
	case t.need.utf8Header && !ext.SMTPUTF8 && !t.conn.options.LMTP:
		return reply.NoSMTPUTF8
	case t.need.eightBit && !ext.EightBitMIME:
		return reply.No8BitMIME
	case ext.SizeLimit > 0 && t.size > ext.SizeLimit:
		return reply.TooBig.With("Message of %d octets exceeds the limit of %d that the host announces", t.size, ext.SizeLimit)
	}
	return reply.Reply{}
}

// appendMail appends the MAIL command.
func (t *transaction) appendMail(b []byte) []byte {
	ext := &t.conn.ext
	b = append(append(b, "MAIL FROM:"...), t.from.Wire()...)
	if ext.Size {
		b = strconv.AppendInt(append(b, " SIZE="...), t.size, 10)
	}
	if (t.need.eightBit || t.need.utf8Header) && ext.EightBitMIME {
		b = append(b, " BODY=8BITMIME"...)
	}
	if (t.need.utf8Envelope || t.need.utf8Header || t.env.UTF8) && ext.SMTPUTF8 {
		b = append(b, " SMTPUTF8"...)
	}
	if t.env.RequireTLS && ext.RequireTLS {
		b = append(b, " REQUIRETLS"...)
	}
	if ext.DSN && t.env.Ret != "" {
		b = append(append(b, " RET="...), t.env.Ret...)
	}
	if ext.DSN && t.env.EnvID != "" {
		b = appendXtext(append(b, " ENVID="...), t.env.EnvID)
	}
	return append(b, "\r\n"...)
}

// appendRcpt appends the RCPT command of a recipient.
func (t *transaction) appendRcpt(b []byte, to *mail.Recipient) []byte {
	b = append(append(b, "RCPT TO:"...), to.To.Wire()...)
	if t.conn.ext.DSN {
		b = appendNotify(b, to.Notify)
		b = appendORcpt(b, to.ORcpt)
	}
	return append(b, "\r\n"...)
}

func appendNotify(b []byte, n mail.Notify) []byte {
	sep := " NOTIFY="
	for _, w := range []struct {
		bit  mail.Notify
		word string
	}{
		{mail.NotifyNever, "NEVER"}, {mail.NotifySuccess, "SUCCESS"}, {mail.NotifyFailure, "FAILURE"}, {mail.NotifyDelay, "DELAY"},
	} {
		if n&w.bit != 0 {
			b = append(append(b, sep...), w.word...)
			sep = ","
		}
		if n&mail.NotifyNever != 0 { // stands alone (RFC 3461 4.1)
			break
		}
	}
	return b
}

// appendORcpt appends ORCPT. An address of type utf-8 has an encoding of its own (RFC 6533 3).
func appendORcpt(b []byte, orcpt string) []byte {
	kind, address, ok := strings.Cut(orcpt, ";")
	if !ok || !atom(kind) {
		return b
	}
	b = append(append(append(b, " ORCPT="...), kind...), ';')
	if strings.EqualFold(kind, "utf-8") {
		return appendUTF8Xtext(b, address)
	}
	return appendXtext(b, address)
}

func atom(s string) bool {
	for _, c := range []byte(s) {
		if c <= ' ' || c > '~' || strings.IndexByte(`()<>@,;:\".[]+=`, c) >= 0 {
			return false
		}
	}
	return s != ""
}

// appendXtext encodes as RFC 3461 4: "+" and two hexadecimal digits for what a parameter cannot hold.
func appendXtext(b []byte, s string) []byte {
	const hex = "0123456789ABCDEF"
	for _, c := range []byte(s) {
		if c <= ' ' || c > '~' || c == '+' || c == '=' {
			b = append(b, '+', hex[c>>4], hex[c&15])
			continue
		}
		b = append(b, c)
	}
	return b
}

// appendUTF8Xtext writes what is not a plain character as \x{HEX} (RFC 6533 3, utf-8-addr-xtext).
func appendUTF8Xtext(b []byte, s string) []byte {
	for _, c := range s {
		if c <= ' ' || c > '~' || c == '+' || c == '=' || c == '\\' {
			if c == utf8.RuneError {
				c = '?'
			}
			b = append(b, `\x{`...)
			b = append(b, strings.ToUpper(strconv.FormatInt(int64(c), 16))...)
			b = append(b, '}')
			continue
		}
		b = append(b, byte(c))
	}
	return b
}
