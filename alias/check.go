// SPDX-License-Identifier: MIT

package alias

import (
	"fmt"
	"strings"

	"posthouse/mail"
	"posthouse/table"
)

// maxProblems bounds what one check lists.
const maxProblems = 100

// DeadEnds lists, for `config check`, the lines of the alias table that lead to nobody or into a circle. Patterns stand for
// addresses nobody can list, and are left out.
func (s *Snapshot) DeadEnds() []string {
	var out []string
	if s.maps == nil {
		return nil
	}
	seen := make(map[string]bool)
	for key, entry := range table.Fixed(s.maps).All() {
		to, err := mail.ParseAddress(key)
		if err != nil { // a domain, @domain, or a key for local domains
			continue
		}
		for _, problem := range s.checkLine(to, entry.Where) {
			if !seen[problem] && len(out) < maxProblems {
				out = append(out, problem)
			}
			seen[problem] = true
		}
	}
	return out
}

// checkLine is what is wrong with one key. A dead end is reported where its own line stands.
func (s *Snapshot) checkLine(to mail.Path, where string) []string {
	r, err := s.Expand(to)
	if err != nil {
		return []string{fmt.Sprintf("%s: %v", where, err)}
	}
	var out []string
	for _, d := range r.Dead {
		out = append(out, fmt.Sprintf("%s: %s", d.Steps[len(d.Steps)-1], d.Why))
	}
	return out
}

// Postmasters lists the alias domains whose postmaster (RFC 5321 4.5.1) nobody reads.
func (s *Snapshot) Postmasters() []string {
	var out []string
	if s.domains == nil {
		return nil
	}
	for domain, entry := range s.domains.All() {
		to, err := mail.MakePath("postmaster", domain)
		if err != nil || strings.HasPrefix(domain, "/") { // a pattern
			continue
		}
		if r, err := s.Expand(to); err == nil && r.Unknown() && len(out) < maxProblems {
			out = append(out, fmt.Sprintf("%s: nobody gets mail for %s, which every domain must have", entry.Where, to))
		}
	}
	return out
}
