// SPDX-License-Identifier: MIT

package config

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"unicode"
)

// maxProblems bounds a Report: whoever feeds in a file that is no cluster file at all sees the first of them.
const maxProblems = 200

// Problem is one complaint about one place in a file.
type Problem struct {
	File         string
	Line, Column int    // from 1, columns in characters; 0 is the file as a whole
	Path         string // "smtp_in.listen[1].address"; "" is the root
	Message      string
	Source       string // the offending line
	Warning      bool   // does not stop a start
	Unenforced   bool   // a Warning about a setting that is understood but not acted upon yet
	Weakens      bool   // Unenforced, and ignoring it weakens a promise: the start needs --allow-unenforced
}

// String is file:line:column: path: message, and below it the line with a caret.
func (p Problem) String() string {
	var b strings.Builder
	b.WriteString(p.File)
	if p.Line > 0 {
		fmt.Fprintf(&b, ":%d:%d", p.Line, p.Column)
	}
	b.WriteString(": ")
	if p.Warning {
		b.WriteString("warning: ")
	}
	if p.Path != "" {
		b.WriteString(p.Path + ": ")
	}
	b.WriteString(p.Message)
	if line, caret := p.excerpt(); line != "" {
		b.WriteString("\n    " + line + "\n    " + caret)
	}
	return b.String()
}

// excerptWidth is how much of a long line is shown around its caret.
const excerptWidth = 120

// excerpt returns the line, cut to a window around the column if it is long, and the caret that goes below. Tabs before
// the caret are kept, so that both lines are indented alike.
func (p Problem) excerpt() (line, caret string) {
	if p.Column < 1 || strings.TrimSpace(p.Source) == "" {
		return "", ""
	}
	text := []rune(p.Source)
	at := min(p.Column-1, len(text))
	start := 0
	if at > excerptWidth-20 {
		start = at - excerptWidth/2
	}
	end := min(start+excerptWidth, len(text))
	pad := strings.Map(func(r rune) rune {
		if r == '\t' {
			return r
		}
		return ' '
	}, string(text[start:at]))
	return strings.TrimRight(strings.Map(printable, string(text[start:end])), " \t"), pad + "^"
}

// printable keeps a hostile file from speaking to the terminal.
func printable(r rune) rune {
	if r == '\t' || unicode.IsPrint(r) {
		return r
	}
	return '?'
}

// Report collects the complaints about a file, sorted by file, line and column.
type Report struct {
	Problems []Problem
	Dropped  int // complaints beyond the limit of 200
}

// add inserts p in order. The same complaint is kept once: a section checked for each of several nodes says it again.
func (r *Report) add(p Problem) {
	at, _ := slices.BinarySearchFunc(r.Problems, p, compareProblems)
	for ; at < len(r.Problems) && compareProblems(r.Problems[at], p) == 0; at++ {
		if r.Problems[at] == p {
			return
		}
	}
	if len(r.Problems) == maxProblems {
		r.Dropped++
		return
	}
	r.Problems = slices.Insert(r.Problems, at, p)
}

func compareProblems(a, b Problem) int {
	return cmp.Or(strings.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
}

// Err is nil if nothing but warnings was found. Its text is every Problem that is not a warning.
func (r *Report) Err() error {
	var e reportError
	for _, p := range r.Problems {
		if !p.Warning {
			e = append(e, p.String())
		}
	}
	if e == nil {
		return nil
	}
	if r.Dropped > 0 {
		e = append(e, fmt.Sprintf("%d more complaints not shown", r.Dropped))
	}
	return e
}

// Warnings are the Problems that do not stop a start.
func (r *Report) Warnings() []Problem {
	return slices.Collect(func(yield func(Problem) bool) {
		for _, p := range r.Problems {
			if p.Warning && !yield(p) {
				return
			}
		}
	})
}

type reportError []string

func (e reportError) Error() string { return strings.Join(e, "\n") }
