// SPDX-License-Identifier: MIT

// Package nginxconf reads the configuration of an NGINX and makes the balancer section of a cluster file from its stream
// servers. Read is the file as a tree, with NGINX's lexical rules (ngx_conf_file.c) and its includes; Import is what the
// balancer can take over from it, and a note for each directive that it cannot.
//
// What is read is as good as a stranger's: depth, files, bytes and directives are bounded, and nothing is executed or looked
// up. Whether each file named can be opened is for the caller to mind: an include leads wherever it says.
package nginxconf

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Options say where an NGINX would find things.
type Options struct {
	Prefix string // the folder that relative includes begin at; "": the main file's, as in NGINX
	Files  Files  // nil: the machine's
}

// Directive is one statement: its words, and what stands in its braces.
type Directive struct {
	File  string
	Line  int // of its first word
	Name  string
	Args  []string
	Block []Directive // includes are replaced by what they lead to
	Open  bool        // it has braces, perhaps with nothing in them
	order int         // in the whole configuration
}

// Place is FILE:LINE.
func (d *Directive) Place() string { return printable(d.File) + ":" + strconv.Itoa(d.Line) }

// errorf is an error at the directive.
func (d *Directive) errorf(format string, args ...any) error {
	return &Error{File: d.File, Line: d.Line, Text: fmt.Sprintf(format, args...)}
}

// Error is why a configuration cannot be read, mostly in NGINX's own words.
type Error struct {
	File string
	Line int // 0: the file as a whole
	Text string
	err  error
}

// Unwrap is what the error is one of, if anything.
func (e *Error) Unwrap() error { return e.err }

func (e *Error) Error() string {
	if e.Line == 0 {
		return printable(e.File) + ": " + printable(e.Text)
	}
	return fmt.Sprintf("%s:%d: %s", printable(e.File), e.Line, printable(e.Text))
}

// Note is something that is not carried over, or not quite, and what to do instead.
type Note struct {
	File string
	Line int
	Name string // of the directive
	Text string
}

// String is FILE:LINE: directive: text.
func (n Note) String() string {
	return fmt.Sprintf("%s:%d: %s: %s", printable(n.File), n.Line, printable(n.Name), printable(n.Text))
}

// printable keeps what a file says from speaking to the terminal, and from ending a comment.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r == utf8.RuneError || !unicode.IsPrint(r) {
			return '?'
		}
		return r
	}, s)
}
