// SPDX-License-Identifier: MIT

package authres

import (
	"slices"
	"strings"

	"posthouse/mail"
)

// Strip takes all fields out that claim one of our ids, and returns their number (RFC 8601 5). Fields of others stay: they are
// theirs to vouch for.
func Strip(h *mail.Header, ids ...string) int {
	ours := make([]string, len(ids))
	for i, id := range ids {
		ours[i] = canonical(id)
	}
	forged := func(f mail.Field) bool { return f.Is("Authentication-Results") && claims(f, ours) }
	if !slices.ContainsFunc(h.Fields(), forged) {
		return 0
	}
	kept := slices.DeleteFunc(slices.Clone(h.Fields()), forged)
	n := len(h.Fields()) - len(kept)
	var out mail.Header
	out.Append(kept...)
	*h = out
	return n
}

// claims reports a field that some reader could take for one of ours. By the grammar the id is what stands before the first blank
// or comment (RFC 8601 2.2); a careless reader takes comments out first and blanks too, so the parts are looked at together as well,
// with and without the version at their end.
func claims(f mail.Field, ours []string) bool {
	_, raw, _ := strings.Cut(string(f), ":")
	parts := words(raw)
	if len(parts) == 0 {
		return false
	}
	all := strings.Join(parts, "")
	for _, reading := range []string{parts[0], all, strings.TrimSuffix(all, parts[len(parts)-1])} {
		if reading, _, _ = strings.Cut(reading, "/"); slices.Contains(ours, canonical(reading)) {
			return true
		}
	}
	return false
}

// words are what stands before the first ";", between blanks and comments; quotes are taken off.
func words(s string) []string {
	var out []string
	var word strings.Builder
	end := func() {
		if word.Len() > 0 {
			out = append(out, word.String())
			word.Reset()
		}
	}
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '(':
			end()
			i = mail.CommentEnd(s, i)
		case c == '"':
			for i++; i < len(s) && s[i] != '"'; i++ {
				if s[i] == '\\' && i+1 < len(s) {
					i++
				}
				word.WriteByte(s[i])
			}
		case c == ';':
			end()
			return out
		case c <= ' ' || c == 0x7f:
			end()
		default:
			word.WriteByte(c)
		}
	}
	end()
	return out
}

// canonical is how ids are compared: A-labels in lower case where it is a domain.
func canonical(id string) string {
	id = strings.TrimSuffix(strings.TrimSpace(id), ".")
	if domain, err := mail.ParseDomain(id); err == nil {
		return domain
	}
	return strings.ToLower(id)
}
