// SPDX-License-Identifier: MIT

package mail

import (
	"strings"
	"time"
)

// dateForm is RFC 5322 3.3.
const dateForm = "Mon, 02 Jan 2006 15:04:05 -0700"

// ReceivedField is the trace field for env (RFC 5321 4.4): from HELO (name [addr]) (TLS) by host with PROTOCOL id ID
// [for <path>, only if there is one recipient]; date. The login is left out: it is nobody's business downstream.
func ReceivedField(env *Envelope, host string, now time.Time) Field {
	b := make([]byte, 0, 384)
	b = append(b, "Received: "...)
	b = appendFrom(b, &env.Client)
	b = append(b, "by "...)
	b = append(b, host...)
	b = append(b, " (Posthouse)"...)
	if env.Client.Protocol != "" {
		b = append(append(b, " with "...), env.Client.Protocol...)
	}
	b = append(append(b, " id "...), env.ID...)
	b = appendFor(b, env)
	b = append(b, ";\r\n\t"...)
	b = now.AppendFormat(b, dateForm)
	return Field(append(b, "\r\n"...))
}

// appendFrom says who brought the message; nothing for mail that was made here.
func appendFrom(b []byte, c *Client) []byte {
	if !c.Addr.IsValid() {
		return b
	}
	b = append(b, "from "...)
	b = appendDomain(b, c.HELO)
	b = append(b, " ("...)
	b = appendDomain(b, c.Name)
	b = append(b, ' ')
	b = append(b, Literal(c.Addr.Addr())...)
	b = append(b, ")\r\n\t"...)
	if c.TLS != "" {
		b = append(append(append(b, '('), c.TLS...), ")\r\n\t"...)
	}
	return b
}

// appendDomain writes a name from outside. What cannot stand in one becomes "?", so that no HELO forges a clause.
func appendDomain(b []byte, name string) []byte {
	if name == "" {
		return append(b, "unknown"...)
	}
	for i := 0; i < min(len(name), 255); i++ {
		c := name[i]
		if !isAlnum(c) && strings.IndexByte(".-_:[]", c) < 0 {
			c = '?'
		}
		b = append(b, c)
	}
	return b
}

func isAlnum(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9'
}

// appendFor names the recipient as RCPT had it, if there is only one: a list would show blind copies to each other. A path in
// UTF-8 is left out, since it would make the header need SMTPUTF8 from then on.
func appendFor(b []byte, env *Envelope) []byte {
	if len(env.Recipients) != 1 {
		return b
	}
	to := env.Recipients[0].Given
	if to.IsNull() {
		to = env.Recipients[0].To
	}
	if to.IsNull() || to.NeedsUTF8() {
		return b
	}
	return append(append(b, "\r\n\tfor "...), to.Wire()...)
}
