// SPDX-License-Identifier: MIT

package spf

import (
	"errors"
	"fmt"
	"strings"
)

// maxRecord bounds a record, in octets: what a DNS message can hold is enough for thousands of terms.
const maxRecord = 16 << 10

// record is a parsed "v=spf1".
type record struct {
	directives []directive
	redirect   macros // nil: none
	exp        macros
}

// version reports a record that is meant for us (RFC 7208 4.5).
func version(txt string) bool {
	const v = "v=spf1"
	return len(txt) >= len(v) && strings.EqualFold(txt[:len(v)], v) && (len(txt) == len(v) || txt[len(v)] == ' ')
}

// parse reads a record that version knows. An error anywhere in it spoils it (RFC 7208 4.6).
func parse(txt string) (*record, error) {
	if len(txt) > maxRecord {
		return nil, errors.New("the record is too long")
	}
	r := new(record)
	for term := range strings.SplitSeq(txt[len("v=spf1"):], " ") {
		if term == "" {
			continue
		}
		if err := r.term(term); err != nil {
			return nil, fmt.Errorf("%q: %w", clean(term, 80), err)
		}
	}
	return r, nil
}

func (r *record) term(term string) error {
	for i := range len(term) {
		if term[i] <= ' ' || term[i] > '~' {
			return errors.New("not printable ASCII")
		}
	}
	if name, value, ok := modifier(term); ok {
		return r.modifier(name, value)
	}
	d := directive{text: term, result: Pass, bits4: 32, bits6: 128}
	if result, ok := qualifier(term[0]); ok {
		d.result, term = result, term[1:]
	}
	err := d.parse(term)
	r.directives = append(r.directives, d)
	return err
}

func qualifier(c byte) (Status, bool) {
	switch c {
	case '+':
		return Pass, true
	case '-':
		return Fail, true
	case '~':
		return SoftFail, true
	case '?':
		return Neutral, true
	}
	return "", false
}

// modifier tells name=value from a mechanism: the first sign that is not of a name is "=".
func modifier(term string) (name, value string, ok bool) {
	for i := range len(term) {
		switch c := term[i]; {
		case isAlpha(c), i > 0 && (isDigit(c) || c == '-' || c == '_' || c == '.'):
		case c == '=' && i > 0:
			return strings.ToLower(term[:i]), term[i+1:], true
		default:
			return "", "", false
		}
	}
	return "", "", false
}

// modifier takes the two that we know, once each (RFC 7208 6). Of others only the syntax is looked at.
func (r *record) modifier(name, value string) error {
	var into *macros
	switch name {
	case "redirect":
		into = &r.redirect
	case "exp":
		into = &r.exp
	default:
		_, err := parseMacros(value, false)
		return err
	}
	if *into != nil {
		return errors.New("stands there twice")
	}
	m, err := domainSpec(value)
	*into = m
	return err
}
