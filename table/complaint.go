// SPDX-License-Identifier: MIT

package table

import (
	"fmt"
	"strings"
)

// maxComplaints is how many errors of one file are told: enough to mend it, not a screen of noise.
const maxComplaints = 20

// Complaint is what is wrong with one line of a table.
type Complaint struct {
	File    string
	Line    int // 0 is the file as a whole
	Message string
	Source  string // the line
}

// String is file:line: message, and the line below it.
func (c Complaint) String() string {
	where := c.File
	if c.Line > 0 {
		where = fmt.Sprintf("%s:%d", c.File, c.Line)
	}
	s := where + ": " + c.Message
	if c.Source != "" {
		s += "\n    " + cut(c.Source)
	}
	return s
}

// cut shortens a line to what a terminal shows and takes out what it might obey.
func cut(line string) string {
	line = strings.Map(func(r rune) rune {
		if r < ' ' && r != '\t' || r == 0x7f || r == '\ufffd' {
			return '?'
		}
		return r
	}, line)
	if text := []rune(line); len(text) > 120 {
		return string(text[:117]) + "..."
	}
	return line
}

// Error is everything wrong with a table, in the order of its lines.
type Error struct{ Complaints []Complaint }

func (e *Error) Error() string {
	var lines []string
	for i, c := range e.Complaints {
		if i == maxComplaints {
			lines = append(lines, fmt.Sprintf("%s: %d more errors not shown", c.File, len(e.Complaints)-i))
			break
		}
		lines = append(lines, c.String())
	}
	return strings.Join(lines, "\n")
}
