// SPDX-License-Identifier: MIT

package main

import (
	"fmt"
	"io"
	"strings"
	"time"
	"unicode"

	"posthouse/internal/node"
	"posthouse/policy"
	"posthouse/smtpin"
)

// printExplanation prints the steps in their order, then what the client would read, then who would get the message.
func printExplanation(out io.Writer, w node.Case, e smtpin.Explanation) error {
	fmt.Fprintf(out, "client %s, helo %s, from %s\n", w.Client, w.HELO, w.From.Wire())
	printSteps(out, e.Steps)
	fmt.Fprintln(out, "replies")
	for _, r := range e.Replies {
		fmt.Fprintf(out, "  %s\n    %s\n", harmless(r.Verb), harmless(r.Reply))
	}
	printFate(out, e)
	_, err := fmt.Fprint(out)
	return err
}

func printFate(out io.Writer, e smtpin.Explanation) {
	if e.Discard != "" {
		fmt.Fprintf(out, "thrown away, because of %s\n", e.Discard)
	}
	if e.Hold != "" {
		fmt.Fprintf(out, "held, because of %s\n", e.Hold)
	}
	if len(e.Recipients) > 0 {
		fmt.Fprintln(out, "goes to")
	}
	for _, r := range e.Recipients {
		line := "  " + r.To
		if r.Given != r.To {
			line += " for " + r.Given
		}
		if r.Sender != "" {
			line += ", sender " + r.Sender
		}
		fmt.Fprintln(out, line)
	}
	if len(e.Header) > 0 {
		fmt.Fprintln(out, "header")
	}
	for _, f := range e.Header {
		for line := range strings.Lines(f) {
			fmt.Fprintf(out, "  %s\n", harmless(strings.ReplaceAll(strings.TrimRight(line, "\r\n"), "\t", "    ")))
		}
	}
}

// printSteps puts the questions of a rule below it, and its verdict behind them.
func printSteps(out io.Writer, steps []policy.Step) {
	var place, rule string
	for _, s := range steps {
		s.Asked, s.Answer = harmless(s.Asked), harmless(s.Answer)
		if here := strings.TrimSpace(s.At + " " + s.List); here != place {
			place, rule = here, ""
			fmt.Fprintln(out, here)
		}
		if s.Rule != rule && (s.Asked != "" || s.Rule == "") {
			fmt.Fprintf(out, "  %s\n", s.Rule)
		}
		switch {
		case s.Asked != "":
			fmt.Fprintf(out, "    %s: %s%s\n", s.Asked, s.Answer, took(s.Took))
		case s.Rule == rule:
			fmt.Fprintf(out, "    %s\n", s.Answer)
		default:
			fmt.Fprintf(out, "  %s: %s%s\n", s.Rule, s.Answer, took(s.Took))
		}
		rule = s.Rule
	}
}

// harmless is what a stranger wrote as a terminal may see it.
func harmless(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || r == unicode.ReplacementChar {
			return '?'
		}
		return r
	}, s)
}

// took is a time that somebody would notice.
func took(d time.Duration) string {
	if d < time.Millisecond {
		return ""
	}
	return fmt.Sprintf(" (%s)", d.Round(time.Millisecond))
}

// printRecord prints one refusal that has happened.
func printRecord(out io.Writer, r policy.Record) error {
	fmt.Fprintf(out, "%s %s client %s, helo %s, from <%s>", r.ID, r.Time.Format(time.RFC3339), r.Client, harmless(r.HELO), harmless(r.From))
	if r.To != "" {
		fmt.Fprintf(out, ", to <%s>", harmless(r.To))
	}
	fmt.Fprintf(out, "\n  %s\n", harmless(r.Reply))
	printSteps(out, r.Steps)
	_, err := fmt.Fprintln(out)
	return err
}
