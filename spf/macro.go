// SPDX-License-Identifier: MIT

package spf

import (
	"errors"
	"strings"
)

// macros is a parsed macro-string (RFC 7208 7.1).
type macros []macro

// macro is a literal, or a letter with its transformers.
type macro struct {
	literal    string
	letter     byte // lower-case; 0: a literal
	escape     bool // the letter was upper-case
	keep       int  // so many parts from the right; 0: all
	reverse    bool
	delimiters string
}

// parseMacros reads a macro-string; in the text of an explanation three more letters and blanks are taken.
func parseMacros(s string, explanation bool) (macros, error) {
	out := macros{}
	for s != "" {
		if s[0] != '%' {
			end := strings.IndexByte(s, '%')
			if end < 0 {
				end = len(s)
			}
			out = append(out, macro{literal: s[:end]})
			s = s[end:]
			continue
		}
		m, rest, err := parseMacro(s[1:], explanation)
		if err != nil {
			return nil, err
		}
		out, s = append(out, m), rest
	}
	return out, nil
}

// parseMacro reads what follows a "%".
func parseMacro(s string, explanation bool) (m macro, rest string, err error) {
	if s == "" {
		return m, "", errors.New("a lone %")
	}
	switch s[0] {
	case '%':
		return macro{literal: "%"}, s[1:], nil
	case '_':
		return macro{literal: " "}, s[1:], nil
	case '-':
		return macro{literal: "%20"}, s[1:], nil
	case '{':
		inner, rest, closed := strings.Cut(s[1:], "}")
		if !closed {
			return m, "", errors.New("a macro without an end")
		}
		m, err = parseLetter(inner, explanation)
		return m, rest, err
	}
	return m, "", errors.New("a lone %")
}

// parseLetter reads what stands in the braces.
func parseLetter(s string, explanation bool) (macro, error) {
	letters := "slodiphv"
	if explanation {
		letters += "crt"
	}
	if s == "" || strings.IndexByte(letters, s[0]|0x20) < 0 {
		return macro{}, errors.New("no such macro")
	}
	m := macro{letter: s[0] | 0x20, escape: s[0] < 'a', delimiters: "."}
	s = s[1:]
	end := 0
	for end < len(s) && isDigit(s[end]) {
		m.keep = min(m.keep*10+int(s[end]-'0'), 1000)
		end++
	}
	if end > 0 && m.keep == 0 {
		return macro{}, errors.New("a macro that keeps nothing")
	}
	s = s[end:]
	if s != "" && s[0]|0x20 == 'r' {
		m.reverse, s = true, s[1:]
	}
	if s != "" {
		m.delimiters = s
	}
	if strings.Trim(s, ".-+,/_=") != "" {
		return macro{}, errors.New("bad delimiter in a macro")
	}
	return m, nil
}

// domainSpec reads a macro-string that makes a name: it ends in a macro, or in a label that can be a top-level domain.
func domainSpec(s string) (macros, error) {
	m, err := parseMacros(s, false)
	if err != nil {
		return nil, err
	}
	if len(m) == 0 {
		return nil, errors.New("no domain")
	}
	last := m[len(m)-1]
	if last.letter != 0 || strings.HasSuffix(s, "%%") || strings.HasSuffix(s, "%_") || strings.HasSuffix(s, "%-") {
		return m, nil
	}
	literal := strings.TrimSuffix(last.literal, ".")
	dot := strings.LastIndexByte(literal, '.')
	if dot < 0 || !isTop(literal[dot+1:]) {
		return nil, errors.New("not a domain")
	}
	return m, nil
}

// isTop is toplabel in RFC 7208 7.1: letters, digits and inner hyphens, not digits alone.
func isTop(s string) bool {
	if s == "" || s[0] == '-' || s[len(s)-1] == '-' {
		return false
	}
	alone := true
	for i := range len(s) {
		switch c := s[i]; {
		case isAlpha(c), c == '-':
			alone = false
		case !isDigit(c):
			return false
		}
	}
	return !alone
}

// expand writes m with the values that value has for its letters.
func (m macros) expand(value func(letter byte) string) string {
	if len(m) == 1 && m[0].letter == 0 {
		return m[0].literal
	}
	var b strings.Builder
	for _, one := range m {
		if one.letter == 0 {
			b.WriteString(one.literal)
			continue
		}
		s := one.transform(value(one.letter))
		if one.escape {
			s = escape(s)
		}
		b.WriteString(s)
	}
	return b.String()
}

// transform splits, turns and cuts a value (RFC 7208 7.3).
func (m macro) transform(s string) string {
	if !m.reverse && m.keep == 0 && m.delimiters == "." {
		return s
	}
	var parts []string
	for start := 0; ; {
		i := strings.IndexAny(s[start:], m.delimiters)
		if i < 0 {
			parts = append(parts, s[start:])
			break
		}
		parts = append(parts, s[start:start+i])
		start += i + 1
	}
	if m.reverse {
		for i, j := 0, len(parts)-1; i < j; i, j = i+1, j-1 {
			parts[i], parts[j] = parts[j], parts[i]
		}
	}
	if m.keep > 0 && m.keep < len(parts) {
		parts = parts[len(parts)-m.keep:]
	}
	return strings.Join(parts, ".")
}

// escape is the URL escaping of all that is not "unreserved" in RFC 3986 2.3.
func escape(s string) string {
	const hex = "0123456789ABCDEF"
	var b strings.Builder
	for i := range len(s) {
		c := s[i]
		if isAlpha(c) || isDigit(c) || strings.IndexByte("-._~", c) >= 0 {
			b.WriteByte(c)
			continue
		}
		b.Write([]byte{'%', hex[c>>4], hex[c&15]})
	}
	return b.String()
}
