// SPDX-License-Identifier: MIT

package dkim

import (
	"io"
	"mime"
	netmail "net/mail"
	"strings"

	"posthouse/mail"
)

// maxFrom bounds the From field that is looked into, in octets.
const maxFrom = 16 << 10

// sender is the address that the keys are chosen by: the first of the one From field. A message without one, with several or
// with one that nobody can read violates RFC 5322 3.6 and is not for us to vouch for (RFC 6376 5.3).
func sender(h mail.Header) (mail.Path, bool) {
	fields := h.Values("From")
	if len(fields) != 1 || len(fields[0]) > maxFrom {
		return mail.Path{}, false
	}
	return firstAddress(withoutComments(strings.ToValidUTF8(fields[0], "?")))
}

// firstAddress reads a list of mailboxes. Clients write display names that RFC 5322 forbids (an unquoted "@"); their one
// address in angle brackets still says who they are.
func firstAddress(list string) (mail.Path, bool) {
	// What the display name means is of no interest, so any charset will do.
	asIs := func(_ string, r io.Reader) (io.Reader, error) { return r, nil }
	parser := netmail.AddressParser{WordDecoder: &mime.WordDecoder{CharsetReader: asIs}}
	if found, err := parser.ParseList(list); err == nil && len(found) > 0 {
		at := strings.LastIndexByte(found[0].Address, '@')
		p, err := mail.MakePath(found[0].Address[:at], found[0].Address[at+1:])
		return p, err == nil
	}
	_, rest, found := strings.Cut(list, "<")
	address, rest, closed := strings.Cut(rest, ">")
	if !found || !closed || strings.ContainsAny(rest, "<>") {
		return mail.Path{}, false
	}
	p, err := mail.ParseAddress(strings.TrimSpace(address))
	return p, err == nil
}

// withoutComments takes (comments) out, which the parser takes in some places only (RFC 5322 3.2.2). They nest; in quotes a
// parenthesis is itself.
func withoutComments(s string) string {
	out := make([]byte, 0, len(s))
	depth, quoted := 0, false
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c == '\\' && i+1 < len(s) {
			if i++; depth == 0 {
				out = append(out, c, s[i])
			}
			continue
		}
		if c == '"' && depth == 0 {
			quoted = !quoted
		}
		switch {
		case c == '(' && !quoted:
			depth++
		case c == ')' && depth > 0:
			depth--
		case depth == 0:
			out = append(out, c)
		}
	}
	return string(out)
}
