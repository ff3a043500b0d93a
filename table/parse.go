// SPDX-License-Identifier: MIT

package table

import (
	"fmt"
	"io"
	"iter"
	"strings"
)

// Bounds of a table. A cluster with a million aliases has other troubles first.
const (
	maxFile    = 64 << 20
	maxEntries = 1 << 20
	maxRules   = 1 << 14 // of a kind that is searched from top to bottom
	maxLine    = 1 << 16
)

// source is a table's text on its way into a View.
type source struct {
	name     string // as the configuration has it: what `where` begins with
	file     string // as complaints name it
	errors   []Complaint
	warnings []Complaint
}

// Parse reads a table of a kind ("hash", "regexp", ...) from r. name stands in the View's `where` and in complaints.
// The error is an *Error unless r failed.
func Parse(kind, name string, r io.Reader) (View, error) {
	s := &source{name: name, file: name}
	return s.read(kind, r)
}

func (s *source) read(kind string, r io.Reader) (View, error) {
	data, err := io.ReadAll(io.LimitReader(r, maxFile+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("%s: %w", s.file, err)
	case len(data) > maxFile:
		s.complain(line{}, "is larger than 64 MiB")
		return nil, &Error{s.errors}
	}
	return s.parse(kind, string(data))
}

func (s *source) parse(kind, text string) (View, error) {
	var v View
	if at := strings.IndexByte(text, 0); at >= 0 {
		s.complain(line{number: 1 + strings.Count(text[:at], "\n")}, "is no text; give the table's source, not what postmap made of it")
		return nil, &Error{s.errors}
	}
	switch kinds[kind] {
	case exactKind:
		v = s.hash(logicalLines(text))
	case fileKind:
		v = s.hash(plainLines(text))
	case regexpKind, pcreKind, cidrKind:
		v = s.rules(kinds[kind], text)
	case refileKind:
		v = s.refile(text)
	default:
		s.complain(line{}, fmt.Sprintf("a table of kind %q is not read from a file", kind))
	}
	if s.errors != nil {
		return nil, &Error{s.errors}
	}
	return v, nil
}

// bounded passes lines on until there are more than limit of them or one is too long, which is an error.
func (s *source) bounded(lines iter.Seq[line], limit int) iter.Seq[line] {
	return func(yield func(line) bool) {
		count := 0
		for l := range lines {
			if count++; count > limit {
				s.complain(l, fmt.Sprintf("more than %d entries", limit))
				return
			}
			if len(l.text) > maxLine {
				s.complain(l, "the entry is longer than 64 KiB")
				continue
			}
			if l.orphan {
				s.complain(l, "the first line cannot begin with white space, which continues the line before")
				continue
			}
			if !yield(l) {
				return
			}
		}
	}
}

func (s *source) complain(l line, message string) {
	s.errors = append(s.errors, Complaint{s.file, l.number, message, l.first})
}

func (s *source) warn(l line, message string) {
	if len(s.warnings) < maxComplaints {
		s.warnings = append(s.warnings, Complaint{s.file, l.number, message, l.first})
	}
}

// where is a line as an explanation names it: "virtual:12".
func (s *source) where(l line) string { return fmt.Sprintf("%s:%d", s.name, l.number) }
