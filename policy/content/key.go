// SPDX-License-Identifier: MIT

package content

import (
	"strings"

	"posthouse/mail"
)

// maxKey is what of a field is shown to the tables (Postfix's header_size_limit), line by line.
const maxKey = 102400

// class is where a field stands.
type class uint8

const (
	primary   class = iota // at the top of the message
	multipart              // at the top of a part
	nested                 // at the top of an attached message
)

// fieldKey is a field as the tables see it: without blanks before the colon, folds as "\n", no line end at the end.
func fieldKey(f mail.Field) string {
	var key []byte
	for line := range strings.Lines(string(f)) {
		key = addLine(key, []byte(strings.TrimRight(line, "\r\n")))
	}
	return string(key)
}

// addLine puts the first line of a field, or another one, to its key.
func addLine(key, line []byte) []byte {
	switch {
	case len(key) == 0:
		n := nameLength(line)
		key = append(key, line[:n]...)
		return append(key, trimBlanks(line[n:])...)
	case len(key) < maxKey:
		key = append(key, '\n')
		return append(key, line...)
	}
	return key
}

func trimBlanks(b []byte) []byte {
	for len(b) > 0 && (b[0] == ' ' || b[0] == '\t') {
		b = b[1:]
	}
	return b
}

// nameLength is how long the name of the field is that begins so; 0: it is no field. Blanks may stand before the colon
// (RFC 5322 4.5), but not before the name.
func nameLength(line []byte) int {
	n := 0
	for n < len(line) && line[n] > ' ' && line[n] < 0x7f && line[n] != ':' {
		n++
	}
	rest := trimBlanks(line[n:])
	if n == 0 || len(rest) == 0 || rest[0] != ':' {
		return 0
	}
	return n
}

// aboutMIME is a field of MIME, of those that Postfix knows (header_opts.c).
func aboutMIME(key string) bool {
	name, _, _ := strings.Cut(key, ":")
	switch strings.ToLower(name) {
	case "content-description", "content-disposition", "content-id", "content-transfer-encoding", "content-type", "mime-version":
		return true
	}
	return false
}
