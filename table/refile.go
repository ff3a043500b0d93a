// SPDX-License-Identifier: MIT

package table

import (
	"iter"
	"strings"
)

// refileView is an OpenDKIM table of patterns in which * is any text; case does not count.
type refileView struct {
	patterns []string // in lower case
	entries  []Entry
	written  []string
}

func (v *refileView) Lookup(key string) (value, where string, ok bool) {
	key = strings.ToLower(key)
	for i, p := range v.patterns {
		if wildcard(p, key) {
			return v.entries[i].Value, v.entries[i].Where, true
		}
	}
	return "", "", false
}

func (v *refileView) All() iter.Seq2[string, Entry] {
	return func(yield func(string, Entry) bool) {
		for i, p := range v.written {
			if !yield(p, v.entries[i]) {
				return
			}
		}
	}
}

// Wildcard reports whether key matches a pattern of a refile table.
func Wildcard(pattern, key string) bool {
	return wildcard(strings.ToLower(pattern), strings.ToLower(key))
}

// wildcard goes back only to the last *, which is enough, so that it takes at most len(pattern)*len(key) steps.
func wildcard(pattern, key string) bool {
	p, k, star, retry := 0, 0, -1, 0
	for k < len(key) {
		switch {
		case p < len(pattern) && pattern[p] == '*':
			star, retry = p, k
			p++
		case p < len(pattern) && pattern[p] == key[k]:
			p++
			k++
		case star >= 0:
			retry++
			p, k = star+1, retry
		default:
			return false
		}
	}
	return strings.Trim(pattern[p:], "*") == ""
}

func (s *source) refile(text string) View {
	v := &refileView{}
	for l := range s.bounded(plainLines(text), maxRules) {
		pattern, value := word(l.text)
		if value == "" {
			s.complain(l, "no value behind the pattern: the format is `pattern value`")
			continue
		}
		v.patterns = append(v.patterns, strings.ToLower(pattern))
		v.written = append(v.written, pattern)
		v.entries = append(v.entries, Entry{value, s.where(l)})
	}
	return v
}
