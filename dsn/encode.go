// SPDX-License-Identifier: MIT

package dsn

import (
	"bytes"
	"fmt"
	"mime/quotedprintable"
	"strings"
	"unicode/utf8"

	"posthouse/reply"
)

const (
	maxWords  = 900 // of one reply: below the 998 of a line (RFC 5322 2.1.1), however it folds
	lineWidth = 76
)

// words is a reply's public text on one line, in printable ASCII. The cause is not in it.
func words(r reply.Reply) string {
	if r.Code == 0 {
		return ""
	}
	s := printable(strings.ReplaceAll(r.String(), "\n", " "))
	if len(s) > maxWords {
		s = s[:maxWords] + "..."
	}
	return s
}

// printable makes "?" of all that is not printable ASCII: what comes from outside neither ends a field nor needs a charset.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return '?'
		}
		return r
	}, s)
}

// clean keeps UTF-8 but no controls.
func clean(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r == utf8.RuneError {
			return '?'
		}
		return r
	}, s)
}

// embedded is utf-8-addr-xtext of RFC 6533 3: what is not ASCII, and what would be ambiguous, as \x{HEX}.
func embedded(address string) string {
	var b strings.Builder
	for _, r := range address {
		if r <= ' ' || r > '~' || r == '\\' || r == '+' || r == '=' {
			fmt.Fprintf(&b, `\x{%02X}`, r)
			continue
		}
		b.WriteRune(r)
	}
	return b.String()
}

// field writes "Name: value" on one line: addresses may hold blanks that folding would change.
func field(b *bytes.Buffer, name, value string) {
	b.WriteString(name + ": " + value + "\r\n")
}

// folded writes "Name: value", folded between words.
func folded(b *bytes.Buffer, name, value string) {
	wrap(b, name+": ", "\r\n    ", value)
	b.WriteString("\r\n")
}

// paragraph writes text wrapped, each line indented, and an empty line after it.
func paragraph(b *bytes.Buffer, indent, text string) {
	wrap(b, indent, "\r\n"+indent, text)
	b.WriteString("\r\n\r\n")
}

// wrap writes the words of text after first, with turn between lines.
func wrap(b *bytes.Buffer, first, turn, text string) {
	b.WriteString(first)
	column := len(first)
	for i, word := range strings.Fields(text) {
		switch {
		case i == 0:
		case column+1+len(word) > lineWidth:
			b.WriteString(turn)
			column = len(turn) - len("\r\n")
		default:
			b.WriteByte(' ')
			column++
		}
		b.WriteString(word)
		column += len(word)
	}
}

// encodingOf is "8bit" if it must be said, "" for ASCII.
func encodingOf(content []byte) string {
	if isASCII(string(content)) {
		return ""
	}
	return "8bit"
}

func quotedPrintable(content []byte) []byte {
	var b bytes.Buffer
	w := quotedprintable.NewWriter(&b)
	w.Write(content) // a bytes.Buffer takes all
	w.Close()
	return b.Bytes()
}

func isASCII(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}
