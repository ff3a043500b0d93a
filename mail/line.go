// SPDX-License-Identifier: MIT

package mail

import (
	"bytes"
	"strings"
)

// text is what header lines are read from: a buffer while they come in, a string after.
type text interface{ ~string | ~[]byte }

// The kinds of line that a header is made of.
type line uint8

const (
	lineOther line = iota // ends the header: an empty line, or text
	lineField
	lineFold
)

// lineKind tells by Postfix's is_header what a line is: printable ASCII without blanks, then perhaps blanks, then a colon.
func lineKind[T text](s T) line {
	if len(s) == 0 {
		return lineOther
	}
	if s[0] == ' ' || s[0] == '\t' {
		return lineFold
	}
	i := 0
	for i < len(s) && s[i] > ' ' && s[i] <= '~' && s[i] != ':' {
		i++
	}
	name := i
	for i < len(s) && (s[i] == ' ' || s[i] == '\t') {
		i++
	}
	if name == 0 || i == len(s) || s[i] != ':' {
		return lineOther
	}
	return lineField
}

// lineEnd is the index after the line that begins at at, which may lack its line feed.
func lineEnd(s string, at int) int {
	if i := strings.IndexByte(s[at:], '\n'); i >= 0 {
		return at + i + 1
	}
	return len(s)
}

// countFields is the number of lines that begin a field, or a few more.
func countFields(raw string) int {
	n := 0
	for at := 0; at < len(raw); at = lineEnd(raw, at) {
		if raw[at] != ' ' && raw[at] != '\t' {
			n++
		}
	}
	return n
}

// isReceived reports a trace field, which counts as one hop (RFC 5321 6.3).
func isReceived(l []byte) bool {
	const name = "received"
	return len(l) > len(name) && (l[len(name)] == ':' || l[len(name)] == ' ' || l[len(name)] == '\t') &&
		bytes.EqualFold(l[:len(name)], []byte(name))
}
