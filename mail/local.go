// SPDX-License-Identifier: MIT

package mail

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// cutLocal takes a Dot-string or a Quoted-string off the front and returns it unquoted. It never looks for the last "@":
// in `"a@b"@c` only the grammar says which one counts.
func cutLocal(s string) (local, rest string, err error) {
	if strings.HasPrefix(s, `"`) {
		return unquote(s)
	}
	i := strings.IndexByte(s, '@')
	if i < 0 {
		return "", "", pathError("no domain")
	}
	if !isDotString(s[:i]) {
		return "", "", pathError("bad local part")
	}
	return s[:i], s[i:], nil
}

// unquote reads a Quoted-string: printable ASCII or UTF-8, a backslash before any printable ASCII.
func unquote(s string) (local, rest string, err error) {
	var b strings.Builder
	for i := 1; i < len(s); i++ {
		switch c := s[i]; {
		case c == '"':
			return b.String(), s[i+1:], nil
		case c == '\\':
			i++
			if i == len(s) || s[i] < ' ' || s[i] > '~' {
				return "", "", pathError("bad quoted pair")
			}
			b.WriteByte(s[i])
		default:
			b.WriteByte(c) // checkLocal refuses what may not stand here
		}
	}
	return "", "", pathError("quote without an end")
}

// checkLocal checks an unquoted local part. An empty one ("" in quotes) is grammatical, but names nobody and would look
// like the @domain key of a table; RFC 5321 4.1.2 advises against it, and it is refused.
func checkLocal(local string) error {
	switch {
	case local == "":
		return pathError("empty local part")
	case len(local) > maxLocal:
		return pathError("local part longer than 255 octets")
	case !utf8.ValidString(local):
		return pathError("not valid UTF-8")
	case strings.ContainsFunc(local, forbidden):
		return pathError("control character")
	}
	return nil
}

// forbidden are the controls of ASCII and Unicode, and the two separators that some software takes for a line end.
func forbidden(r rune) bool {
	return unicode.IsControl(r) || r == '\u2028' || r == '\u2029'
}

// isDotString reports atoms with single dots between them: what needs no quotes.
func isDotString(s string) bool {
	dot := true // as if a dot stood before
	for i := 0; i < len(s); i++ {
		if s[i] == '.' {
			if dot {
				return false
			}
			dot = true
			continue
		}
		if !isAtext(s[i]) {
			return false
		}
		dot = false
	}
	return !dot
}

// isAtext is RFC 5322 3.2.3 with the octets of UTF-8 (RFC 6531 3.3).
func isAtext(c byte) bool {
	switch {
	case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c >= utf8.RuneSelf:
		return true
	}
	return strings.IndexByte("!#$%&'*+-/=?^_`{|}~", c) >= 0
}

// quote writes a local part as a Quoted-string. Only the quote and the backslash need a quoted-pair.
func quote(local string) string {
	var b strings.Builder
	b.Grow(len(local) + 2)
	b.WriteByte('"')
	for i := 0; i < len(local); i++ {
		if local[i] == '"' || local[i] == '\\' {
			b.WriteByte('\\')
		}
		b.WriteByte(local[i])
	}
	b.WriteByte('"')
	return b.String()
}
