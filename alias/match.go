// SPDX-License-Identifier: MIT

package alias

import (
	"strings"

	"posthouse/mail"
	"posthouse/table"
)

// match is the line found for an address.
type match struct {
	value, where string
	extension    string // what the key did not have, with its delimiter; to be put onto the elements
}

// match looks an address up in the order of virtual(5). Parts of it are looked up in tables with fixed keys alone: patterns
// see the whole address only.
func (s *Snapshot) match(to mail.Path) (match, bool) {
	if s.maps == nil {
		return match{}, false
	}
	local, at := to.Local(), "@"+to.Domain()
	if value, where, ok := table.Address(s.maps, local+at, to.String()); ok {
		return match{value: value, where: where}, true
	}
	fixed := table.Fixed(s.maps)
	base, extension := split(local, s.o.Delimiter)
	if extension != "" {
		if value, where, ok := fixed.Lookup(base + at); ok {
			return match{value, where, extension}, true
		}
	}
	if m, ok := s.matchLocal(fixed, to, base, extension); ok {
		return m, true
	}
	value, where, ok := fixed.Lookup(at)
	return match{value: value, where: where}, ok
}

// matchLocal looks up keys without a domain, which count in the host's own.
func (s *Snapshot) matchLocal(fixed table.View, to mail.Path, base, extension string) (match, bool) {
	if s.o.Local == nil || !s.o.Local(to.Domain()) {
		return match{}, false
	}
	if value, where, ok := fixed.Lookup(to.Local()); ok {
		return match{value: value, where: where}, true
	}
	if extension == "" {
		return match{}, false
	}
	value, where, ok := fixed.Lookup(base)
	return match{value, where, extension}, ok
}

// split cuts a local part at its first delimiter, which stays with the extension. Nothing may stand before it but a name.
func split(local, delimiter string) (base, extension string) {
	if i := strings.IndexAny(local, delimiter); i > 0 {
		return local[:i], local[i:]
	}
	return local, ""
}

// element is one word of a right-hand side.
type element struct {
	to   mail.Path
	kind Kind   // Foreign: an address, to be looked up again
	text string // for the step
	why  string // of a dead one
}

// elements reads the right-hand side for an address. The first words beyond the limit of expansions are as good as all.
func (m match) elements(to mail.Path, delimiter string) []element {
	var out []element
	for _, w := range words(m.value) {
		if len(out) > maxExpansions {
			break
		}
		out = append(out, m.element(w, to))
	}
	return out
}

func (m match) element(word string, to mail.Path) element {
	if word == "/dev/null" {
		return element{kind: Discard, text: word}
	}
	p, kind, err := m.parse(word, to)
	if err != nil {
		return element{kind: Dead, text: word, why: err.Error()}
	}
	return element{to: p, kind: kind, text: p.String()}
}

// parse makes the address of a word: "@other" keeps the whole local part, a bare name keeps the domain, and what the key did
// not have goes onto the rest.
func (m match) parse(word string, to mail.Path) (mail.Path, Kind, error) {
	if domain, found := strings.CutPrefix(word, "@"); found {
		p, err := mail.MakePath(to.Local(), domain)
		return p, Foreign, err
	}
	word = strings.TrimSuffix(strings.TrimPrefix(word, "<"), ">")
	if !strings.Contains(word, "@") {
		p, err := mail.MakePath(word+m.extension, to.Domain())
		return p, User, err
	}
	p, err := mail.ParseAddress(word)
	if err != nil || m.extension == "" {
		return p, Foreign, err
	}
	p, err = mail.MakePath(p.Local()+m.extension, p.Domain())
	return p, Foreign, err
}

// words splits at commas and white space outside of quotes.
func words(s string) []string {
	quoted, escaped := false, false
	return strings.FieldsFunc(s, func(r rune) bool {
		if escaped {
			escaped = false
			return false
		}
		switch r {
		case '\\':
			escaped = quoted
		case '"':
			quoted = !quoted
		case ',', ' ', '\t':
			return !quoted
		}
		return false
	})
}
