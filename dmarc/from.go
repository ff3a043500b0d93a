// SPDX-License-Identifier: MIT

package dmarc

import (
	"context"
	"errors"
	"slices"
	"strings"

	"posthouse/mail"
	"posthouse/resolver"
)

// Bounds of From.
const (
	maxFrom    = 16 << 10 // octets
	maxAuthors = 4        // domains
)

// Message is Check for the author of a message. A field that names several domains is checked for each, and the worst result
// counts, as RFC 9989 11.5 recommends: else a second author would be the way around the first one's policy. Without one readable
// From field, or with more than 4 domains in it, there is no author: permerror (5.3.1). But whom such a message names, a reader may
// see: what their policies ask for counts all the same.
func Message(ctx context.Context, r resolver.Resolver, h mail.Header, spfDomain string, dkimDomains []string) Result {
	authors, err := Authors(h)
	if err != nil {
		worst := Result{Status: PermError, Disposition: Nothing, Err: err}
		for _, author := range mentioned(h) {
			if other := Check(ctx, r, author, spfDomain, dkimDomains); other.Disposition != Nothing && other.weight() > worst.weight() {
				worst = other
			}
		}
		return worst
	}
	worst := Check(ctx, r, authors[0], spfDomain, dkimDomains)
	for _, author := range authors[1:] {
		if other := Check(ctx, r, author, spfDomain, dkimDomains); other.weight() > worst.weight() {
			worst = other
		}
	}
	return worst
}

// weight orders results: a failure by its policy, what is not known, no policy, pass.
func (r *Result) weight() int {
	switch {
	case r.Disposition == Reject:
		return 5
	case r.Disposition == Quarantine:
		return 4
	case r.Status == TempError:
		return 3
	case r.Status == Fail:
		return 2
	case r.Status == None:
		return 1
	}
	return 0
}

// Authors are the domains that the one From field names, in A-labels, at least one and 4 at most. It reads the field as a mail
// reader would rather than by the grammar: whatever could be shown as an address is one.
func Authors(h mail.Header) ([]string, error) {
	values := h.Values("From")
	switch {
	case len(values) == 0:
		return nil, errors.New("no From field")
	case len(values) > 1:
		return nil, errors.New("several From fields")
	case len(values[0]) > maxFrom:
		return nil, errors.New("the From field is too long")
	}
	var out []string
	for _, address := range addresses(values[0]) {
		for _, name := range domains(address) {
			domain, err := mail.ParseDomain(strings.TrimSuffix(name, "."))
			if err != nil {
				return nil, errors.New("a domain in From is malformed")
			}
			if !slices.Contains(out, domain) {
				out = append(out, domain)
			}
			if len(out) > maxAuthors {
				return nil, errors.New("too many domains in From")
			}
		}
	}
	if len(out) == 0 {
		return nil, errors.New("no address in From")
	}
	return out, nil
}

// mentioned are the first and the last domains that can be read in any From field, 4 at most: those are what a reader sees of many.
func mentioned(h mail.Header) []string {
	var all []string
	seen := map[string]bool{}
	for _, value := range h.Values("From") {
		for _, address := range addresses(value[:min(len(value), maxFrom)]) {
			for _, name := range domains(address) {
				domain, err := mail.ParseDomain(strings.TrimSuffix(name, "."))
				if err == nil && !seen[domain] {
					seen[domain] = true
					all = append(all, domain)
				}
			}
		}
	}
	if n := len(all); n > maxAuthors {
		all = append(all[:maxAuthors/2], all[n-maxAuthors/2:]...)
	}
	return all
}

// domains is what follows each "@" of an address, but for those of a source route (RFC 5322 4.4). An address has one. In
// boss@bank.test@other.test a reader may see the first, and who sent it proves the last: both are authors (RFC 9989 11.5).
func domains(address string) []string {
	names := strings.Split(address, "@")[1:]
	if address[0] != '@' {
		return names
	}
	end := slices.IndexFunc(names, func(s string) bool { return strings.Contains(s, ":") && !strings.HasSuffix(s, "]") })
	if end+1 == len(names) {
		return []string{""} // a route to nowhere
	}
	return names[end+1:]
}

// addresses are the parts of a mailbox list that hold an "@": what stands in angle brackets, and elements without them. In one
// that has brackets, an "@" before them belongs to the display name; after them it is an address of its own.
func addresses(list string) []string {
	var out []string
	var text strings.Builder // of the element, without blanks and comments, and with a mark for a quoted string in front
	take := func(keep bool) {
		if s := text.String(); keep && strings.IndexByte(s, '@') >= 0 {
			out = append(out, s)
		}
		text.Reset()
	}
	angle := false
	for i := 0; i < len(list); i++ {
		switch c := list[i]; {
		case c == '"':
			i = quotedEnd(list, i)
			if text.Len() == 0 {
				text.WriteByte('"')
			}
		case c == '(':
			i = mail.CommentEnd(list, i)
		case c == ' ' || c == '\t':
		case c == '<':
			take(angle)
			angle = true
		case c == '>' && angle:
			take(true)
			angle = false
		case (c == ',' || c == ';') && !angle:
			take(true)
		case c == ':' && !angle && strings.IndexByte(text.String(), '@') < 0:
			text.Reset() // the name of a group
		default:
			text.WriteByte(c)
		}
	}
	take(true)
	return out
}

// quotedEnd is the index of the quote that ends a quoted string.
func quotedEnd(s string, i int) int {
	for i++; i < len(s) && s[i] != '"'; i++ {
		if s[i] == '\\' {
			i++
		}
	}
	return i
}
