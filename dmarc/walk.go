// SPDX-License-Identifier: MIT

package dmarc

import (
	"context"
	"fmt"
	"strings"

	"posthouse/resolver"
)

// maxLabels is where the walk leaves labels out, so that it asks no more than so many questions (RFC 9989 4.10).
const maxLabels = 8

// found is a record and the domain it stands at.
type found struct {
	domain string
	record Record
}

// targets are the names of a walk, from the domain upwards: all of a name of 8 labels, of a longer one itself and the last 7.
func targets(domain string) []string {
	out := make([]string, 1, maxLabels)
	out[0] = domain
	labels := strings.Count(domain, ".") + 1
	for rest := domain; labels > 1; {
		_, rest, _ = strings.Cut(rest, ".")
		if labels--; labels < maxLabels {
			out = append(out, rest)
		}
	}
	return out
}

// walk finds the records from domain upwards. It asks for all at once, since nearly every walk needs all; a record that says what
// it stands at (psd=y, psd=n) ends it, and then no answer further up matters. With an error comes what was found before it.
func walk(ctx context.Context, r resolver.Resolver, domain string) ([]found, error) {
	names := targets(domain)
	type answer struct {
		record Record
		ok     bool
		err    error
	}
	answers := make([]chan answer, len(names))
	for i, name := range names {
		answers[i] = make(chan answer, 1)
		go func() {
			var a answer
			defer func() {
				if p := recover(); p != nil {
					a = answer{err: fmt.Errorf("look up the policy of %s: panic: %v", name, p)}
				}
				answers[i] <- a
			}()
			a.record, a.ok, a.err = at(ctx, r, name)
		}()
	}
	var all []found
	for i, name := range names {
		a := <-answers[i]
		if a.err != nil {
			return all, a.err
		}
		if !a.ok {
			continue
		}
		all = append(all, found{name, a.record})
		if a.record.PublicSuffix != 'u' {
			break
		}
	}
	return all, nil
}

// at is the one record of a domain; several are none (RFC 9989 4.10, steps 2 and 6).
func at(ctx context.Context, r resolver.Resolver, domain string) (Record, bool, error) {
	texts, err := r.TXT(ctx, "_dmarc."+domain)
	if err != nil {
		if resolver.Temporary(err) {
			return Record{}, false, err
		}
		return Record{}, false, nil
	}
	var one Record
	n := 0
	for _, text := range texts {
		if record, ok := ParseRecord(text); ok {
			one = record
			n++
		}
	}
	return one, n == 1, nil
}

// organization picks the organizational domain out of what a walk from domain found (RFC 9989 4.10.2).
func organization(domain string, records []found) string {
	for _, f := range records {
		switch {
		case f.record.PublicSuffix == 'n':
			return f.domain
		case f.record.PublicSuffix == 'y' && f.domain != domain:
			return below(f.domain, domain)
		}
	}
	if len(records) == 0 {
		return domain
	}
	return records[len(records)-1].domain
}

// below is the domain one label under suffix on the way to domain.
func below(suffix, domain string) string {
	rest := strings.TrimSuffix(domain, "."+suffix)
	return rest[strings.LastIndexByte(rest, '.')+1:] + "." + suffix
}
