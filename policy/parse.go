// SPDX-License-Identifier: MIT

package policy

import (
	"errors"
	"fmt"
	"strings"

	"posthouse/delegation"
	"posthouse/dnsbl"
	"posthouse/table"
)

// Problem is what is wrong with one entry of a list.
type Problem struct {
	Index      int // of the entry
	Err        error
	Unenforced bool // understood, but passed over: no error
}

// ParseList parses entries, one restriction with its argument each: `reject_rbl_client zen.example.test`. The list leaves
// out what has a Problem.
func ParseList(entries []string) (List, []Problem) { return parseList(entries, "") }

// parseList takes a table alone for the argument of a word, as Postfix does where the list says what it is about.
func parseList(entries []string, word string) (List, []Problem) {
	var list List
	var problems []Problem
	for i, entry := range entries {
		r, err := parseEntry(entry, word)
		switch {
		case err != nil:
			problems = append(problems, Problem{i, err, false})
		case r.unenforced:
			problems = append(problems, Problem{i, fmt.Errorf("%s is not enforced yet", r.words), true})
		default:
			list = append(list, r)
		}
	}
	return list, problems
}

func parseEntry(entry, tableWord string) (rule, error) {
	tokens, err := tokenize(entry)
	if err != nil {
		return rule{}, err
	}
	if len(tokens) == 1 && strings.Contains(tokens[0], ":") {
		if tableWord == "" {
			return rule{}, fmt.Errorf("%q does not say what is looked up in it, as check_client_access and its like do", tokens[0])
		}
		tokens = []string{tableWord, tokens[0]}
	}
	r, rest, err := parseRule(tokens)
	if err == nil && len(rest) > 0 {
		err = fmt.Errorf("%q stands behind %s: each restriction is an entry of its own", rest[0], r.words)
	}
	return r, err
}

// tokenize cuts at blanks and commas that stand in no braces (Postfix's mystrtokq).
func tokenize(text string) (tokens []string, err error) {
	level, start := 0, -1
	for i, c := range []byte(text) {
		separates := level == 0 && strings.IndexByte(", \t\r\n", c) >= 0
		switch {
		case separates && start >= 0:
			tokens, start = append(tokens, text[start:i]), -1
		case !separates && start < 0:
			start = i
		}
		switch c {
		case '{':
			level++
		case '}':
			level--
		}
		if level < 0 {
			break
		}
	}
	if level != 0 {
		return nil, fmt.Errorf("%q: braces do not match", text)
	}
	if start >= 0 {
		tokens = append(tokens, text[start:])
	}
	return tokens, nil
}

// parseRule reads one restriction and returns the tokens behind it.
func parseRule(tokens []string) (r rule, rest []string, err error) {
	for len(tokens) > 0 && strings.EqualFold(tokens[0], "warn_if_reject") {
		r.warn, tokens = true, tokens[1:]
	}
	if len(tokens) == 0 {
		return r, nil, errors.New("names no restriction")
	}
	r.words, rest = modern(strings.ToLower(tokens[0])), tokens[1:]
	if simple(&r) {
		return r, rest, nil
	}
	needs, ok := wantsArgument(r.words)
	switch {
	case !ok:
		return r, nil, fmt.Errorf("unknown restriction %q (docs/config.md has a table of the words)", r.words)
	case len(rest) == 0:
		return r, nil, fmt.Errorf("%s needs %s behind it", r.words, needs)
	}
	word, argument := r.words, rest[0]
	r.words += " " + argument
	return r, rest[1:], r.take(word, argument)
}

// simple reads a word that stands alone.
func simple(r *rule) bool {
	for _, words := range []func(string) judge{general, named, addressed} {
		if r.judge = words(r.words); r.judge != nil {
			return true
		}
	}
	r.unenforced = later(r.words)
	return r.unenforced
}

// wantsArgument says what has to stand behind a word.
func wantsArgument(word string) (what string, ok bool) {
	switch {
	case dnsWord(word) != nil:
		return "the name of a DNS list", true
	case word == "check_policy_service":
		return "a server (inet:host:port or unix:/path)", true
	case word == "sleep":
		return "a number of seconds", true
	case word == "check_ccert_access" || word == "check_etrn_access":
		return "a table", true
	}
	_, ok = checkWord(word)
	return "a table", ok
}

// take reads the argument.
func (r *rule) take(word, argument string) error {
	if d := dnsWord(word); d != nil {
		zone, err := dnsbl.ParseZone(argument)
		d.zone, r.dns = zone, d
		return behind(word, err)
	}
	if word == "check_policy_service" {
		server, err := delegation.ParseServer(argument)
		r.server, r.judge = &server, delegate(server)
		return behind(word, err)
	}
	c, ok := checkWord(word)
	if !ok {
		r.unenforced = true
		return nil
	}
	ref, err := table.ParseRef(argument)
	r.table, r.of, r.judge = &ref, c.of, c.in(ref)
	return behind(word, err)
}

func behind(word string, err error) error {
	if err != nil {
		return fmt.Errorf("%s: %w", word, err)
	}
	return nil
}
