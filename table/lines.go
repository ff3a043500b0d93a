// SPDX-License-Identifier: MIT

package table

import (
	"iter"
	"strings"
)

// line is one logical line of a table.
type line struct {
	number int    // of its first physical line
	text   string // continuation lines joined, without the white space around them
	first  string // the first physical line as it stands
	orphan bool   // it continues a line that is not there
}

// logicalLines yields what a file in Postfix's format says. Comments and empty lines are skipped even between a line and
// its continuation.
func logicalLines(text string) iter.Seq[line] {
	return func(yield func(line) bool) {
		var l line
		var more []string // continuation lines; joined once, so that a long entry costs what it is long
		flush := func() bool {
			if l.number == 0 {
				return true
			}
			if more != nil {
				l.text = strings.Join(append([]string{l.text}, more...), " ")
			}
			done := l
			l, more = line{}, nil
			return yield(done)
		}
		for number, physical := range physicalLines(text) {
			trimmed := strings.TrimSpace(physical)
			if trimmed == "" || trimmed[0] == '#' {
				continue
			}
			if l.number > 0 && isSpace(physical[0]) {
				more = append(more, trimmed)
				continue
			}
			if !flush() {
				return
			}
			l = line{number, trimmed, physical, isSpace(physical[0])}
		}
		flush()
	}
}

// plainLines yields what a file in OpenDKIM's format says: no continuation lines, and # begins a comment anywhere behind
// white space.
func plainLines(text string) iter.Seq[line] {
	return func(yield func(line) bool) {
		for number, physical := range physicalLines(text) {
			trimmed := strings.TrimSpace(uncomment(physical))
			if trimmed != "" && !yield(line{number, trimmed, physical, false}) {
				return
			}
		}
	}
}

func uncomment(s string) string {
	for i := range len(s) {
		if s[i] == '#' && (i == 0 || isSpace(s[i-1])) {
			return s[:i]
		}
	}
	return s
}

// physicalLines numbers the lines of a file from 1; CRLF is a line's end too.
func physicalLines(text string) iter.Seq2[int, string] {
	return func(yield func(int, string) bool) {
		number := 0
		for l := range strings.SplitSeq(text, "\n") {
			number++
			if !yield(number, strings.TrimSuffix(l, "\r")) {
				return
			}
		}
	}
}

func isSpace(c byte) bool { return c == ' ' || '\t' <= c && c <= '\r' }

// word cuts the first word off s.
func word(s string) (first, rest string) {
	end := strings.IndexFunc(s, func(r rune) bool { return r < 0x80 && isSpace(byte(r)) })
	if end < 0 {
		return s, ""
	}
	return s[:end], strings.TrimSpace(s[end:])
}
