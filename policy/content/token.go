// SPDX-License-Identifier: MIT

package content

import "strings"

// tspecials are the single characters that are tokens of their own (RFC 2045 5.1).
const tspecials = "()<>@,;:\\\"/[]?="

// cutParameter reads the first three tokens up to the next semicolon: words, quoted strings without their quotes, single
// specials. Comments do not count, and may nest.
func cutParameter(s string) (tokens []string, rest string) {
	for s != "" {
		c := s[0]
		var token string
		switch {
		case isBlank(c):
			s = s[1:]
			continue
		case c == ';':
			return tokens, s[1:]
		case c == '(':
			s = skipComment(s)
			continue
		case c == '"':
			token, s = cutQuoted(s[1:])
		case isSpecial(c):
			token, s = s[:1], s[1:]
		default:
			n := strings.IndexFunc(s, func(r rune) bool { return r < 0x80 && (isBlank(byte(r)) || isSpecial(byte(r))) })
			if n < 0 {
				n = len(s)
			}
			token, s = s[:n], s[n:]
		}
		if len(tokens) < 3 {
			tokens = append(tokens, token)
		}
	}
	return tokens, ""
}

func isBlank(c byte) bool   { return c == ' ' || c == '\t' || c == '\r' || c == '\n' }
func isSpecial(c byte) bool { return c < ' ' || c == 0x7f || strings.IndexByte(tspecials, c) >= 0 }

func skipComment(s string) string {
	depth := 0
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case '(':
			depth++
		case ')':
			if depth--; depth == 0 {
				return s[i+1:]
			}
		}
	}
	return ""
}

// cutQuoted reads up to the closing quote. A fold goes with the blanks before it.
func cutQuoted(s string) (token, rest string) {
	var b []byte
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '"':
			return string(b), s[i+1:]
		case '\n':
			for len(b) > 0 && isBlank(b[len(b)-1]) {
				b = b[:len(b)-1]
			}
			continue
		case '\\':
			if i++; i == len(s) {
				return string(b), ""
			}
		}
		b = append(b, s[i])
	}
	return string(b), ""
}
