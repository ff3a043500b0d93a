// SPDX-License-Identifier: MIT

package dnsbl

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
)

// Filter is a pattern of the codes that count: four fields, each a number or, in brackets, numbers and ranges with
// semicolons: 127.0.0.[2..11], 127.0.[0;1].[1;3;5..9]. The zero Filter takes every code. The grammar is that of Postfix
// (ip_match(3)), brackets around the whole included.
type Filter struct {
	text   string
	octets *[4]octets
}

// octets is a set of values of one octet.
type octets [256]bool

// ParseFilter reads a filter. There is no empty one.
func ParseFilter(text string) (Filter, error) {
	inner := unbracket(text)
	if inner == "" {
		return Filter{}, errors.New("is empty behind the =; leave the = away to take every code")
	}
	f := Filter{text: text, octets: new([4]octets)}
	s := scanner{rest: inner}
	for i := range f.octets {
		if i > 0 && !s.skip(".") {
			return Filter{}, s.fail("a dot")
		}
		if err := s.field(&f.octets[i]); err != nil {
			return Filter{}, err
		}
	}
	if s.rest != "" {
		return Filter{}, s.fail("the end after four fields")
	}
	return f, nil
}

// unbracket takes off brackets that stand around all of a pattern.
func unbracket(s string) string {
	if !strings.HasPrefix(s, "[") {
		return s
	}
	level := 0
	for i, c := range []byte(s) {
		switch c {
		case '[':
			level++
		case ']':
			level--
		}
		if level == 0 {
			if i == len(s)-1 {
				return s[1:i]
			}
			return s
		}
	}
	return s
}

// Match reports that the code counts.
func (f Filter) Match(code netip.Addr) bool {
	if f.octets == nil {
		return true
	}
	if !code.Is4() {
		return false
	}
	for i, o := range code.As4() {
		if !f.octets[i][o] {
			return false
		}
	}
	return true
}

// String is the filter as it was written.
func (f Filter) String() string { return f.text }

// only reports that the filter takes no other value in its first fields than these.
func (f Filter) only(values ...byte) bool {
	if f.octets == nil {
		return false
	}
	for i, v := range values {
		want := octets{}
		want[v] = true
		if f.octets[i] != want {
			return false
		}
	}
	return true
}

// scanner reads a pattern from its beginning.
type scanner struct{ rest string }

func (s *scanner) skip(token string) (ok bool) {
	s.rest, ok = strings.CutPrefix(s.rest, token)
	return ok
}

// field is a number, or a sequence in brackets.
func (s *scanner) field(set *octets) error {
	if !s.skip("[") {
		n, err := s.number()
		if err == nil {
			set[n] = true
		}
		return err
	}
	for {
		if err := s.member(set); err != nil {
			return err
		}
		if s.skip("]") {
			return nil
		}
		if !s.skip(";") {
			return s.fail(`";" or "]"`)
		}
	}
}

// member is a number, or a range of them.
func (s *scanner) member(set *octets) error {
	first, err := s.number()
	if err != nil {
		return err
	}
	last := first
	if s.skip("..") {
		if last, err = s.number(); err != nil {
			return err
		}
	}
	if last < first {
		return fmt.Errorf("has the range %d..%d, which ends before it begins", first, last)
	}
	for n := first; n <= last; n++ {
		set[n] = true
	}
	return nil
}

// number is 0 to 255, in any number of digits.
func (s *scanner) number() (int, error) {
	n, digits := 0, 0
	for digits < len(s.rest) && '0' <= s.rest[digits] && s.rest[digits] <= '9' {
		n = min(n*10+int(s.rest[digits]-'0'), 256)
		digits++
	}
	if digits == 0 || n > 255 {
		return 0, s.fail("a number from 0 to 255")
	}
	s.rest = s.rest[digits:]
	return n, nil
}

func (s *scanner) fail(want string) error {
	if s.rest == "" {
		return fmt.Errorf("ends where %s was expected, as in 127.0.0.[2..11]", want)
	}
	return fmt.Errorf("has %q where %s was expected, as in 127.0.0.[2..11]", s.rest, want)
}
