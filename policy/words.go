// SPDX-License-Identifier: MIT

package policy

import (
	"fmt"
	"slices"
	"strings"
)

// Problem is what is wrong with one entry of a list.
type Problem struct {
	Index      int // of the entry
	Err        error
	Unenforced bool // understood, but passed over: no error
}

// ParseList parses entries, one restriction with its argument each: `reject_rbl_client zen.example.test`. The list leaves
// out what has a Problem.
func ParseList(entries []string) (List, []Problem) {
	var list List
	var problems []Problem
	for i, entry := range entries {
		r, unenforced, err := parse(entry)
		switch {
		case err != nil:
			problems = append(problems, Problem{i, err, false})
		case unenforced:
			problems = append(problems, Problem{i, fmt.Errorf("%s is not enforced yet", r.words), true})
		default:
			list = append(list, r)
		}
	}
	return list, problems
}

func parse(entry string) (r rule, unenforced bool, err error) {
	words := strings.Fields(entry)
	if len(words) > 0 && strings.EqualFold(words[0], "warn_if_reject") {
		r.warn, words = true, words[1:]
	}
	if len(words) == 0 {
		return r, false, fmt.Errorf("restriction %q names no rule", entry)
	}
	words = braced(words)
	words[0] = modern(strings.ToLower(words[0]))
	arguments, isLater := later(words[0])
	r.words, r.judge = strings.Join(words, " "), enforced(words[0])
	switch {
	case r.judge == nil && !isLater:
		return r, false, fmt.Errorf("unknown restriction %q", words[0])
	case len(words)-1 != arguments:
		return r, false, fmt.Errorf("%s takes %d arguments, not %d", words[0], arguments, len(words)-1)
	}
	return r, isLater, nil
}

// weakens reports whether passing an entry over lets more in. One that only warns or permits does not.
func weakens(entry string) bool {
	entry = strings.ToLower(strings.TrimSpace(entry))
	return strings.HasPrefix(entry, "reject_") || strings.HasPrefix(entry, "check_")
}

// refuses reports a working refusal of unauthorised destinations: one that stands before an unconditional permit.
func refuses(entries []string) bool {
	stops := []string{"reject_unauth_destination", "defer_unauth_destination", "reject", "defer"}
	for _, e := range entries {
		switch word := strings.ToLower(strings.TrimSpace(e)); {
		case slices.Contains(stops, word):
			return true
		case word == "permit":
			return false
		}
	}
	return false
}
