// SPDX-License-Identifier: MIT

package spf

import (
	"net/netip"
	"strings"

	"posthouse/mail"
)

// Received is the Received-SPF field for r (RFC 7208 9.1). host is our name.
func (r Result) Received(host string, client netip.Addr, helo string, from mail.Path) mail.Field {
	var b strings.Builder
	b.WriteString(string(r.Status))
	for _, kv := range [][2]string{
		{"receiver", host},
		{"identity", r.Identity},
		{"client-ip", client.Unmap().WithZone("").String()},
		{"helo", helo},
		{"envelope-from", from.String()},
		{"mechanism", r.Mechanism},
		{"problem", problem(r)},
	} {
		if kv[1] == "" && kv[0] != "envelope-from" {
			continue
		}
		if kv[0] != "receiver" {
			b.WriteByte(';')
		}
		b.WriteString("\r\n\t" + kv[0] + "=" + quoted(kv[1]))
	}
	return mail.NewField("Received-SPF", b.String())
}

// problem is what is wrong with the record. What our name server said is not for the recipient.
func problem(r Result) string {
	switch {
	case r.Status == TempError:
		return "the DNS did not answer"
	case r.Err != nil:
		return r.Err.Error()
	}
	return ""
}

// quoted writes a value as a dot-atom, or as a quoted string if it is none (RFC 7208 9.1). Lines stay below 998 octets.
func quoted(s string) string {
	s = clean(s, 320)
	if isDotAtom(s) {
		return s
	}
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"`
}

func isDotAtom(s string) bool {
	for i := range len(s) {
		c := s[i]
		switch {
		case isAlpha(c), isDigit(c), strings.IndexByte("!#$%&'*+-/=?^_`{|}~", c) >= 0:
		case c == '.' && i > 0 && i < len(s)-1 && s[i-1] != '.':
		default:
			return false
		}
	}
	return s != ""
}
