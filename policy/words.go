// SPDX-License-Identifier: MIT

package policy

import (
	"fmt"
	"slices"
	"strings"

	"posthouse/config"
)

// later are Postfix's words that are understood and not judged yet, with the number of their arguments.
func later(word string) (arguments int, ok bool) {
	switch word {
	case "reject_rbl_client", "permit_dnswl_client", "reject_rhsbl_client", "reject_rhsbl_reverse_client", "reject_rhsbl_helo",
		"reject_rhsbl_sender", "reject_rhsbl_recipient", "permit_rhswl_client",
		"check_client_access", "check_helo_access", "check_sender_access", "check_recipient_access", "check_policy_service":
		return 1, true
	case "reject_unknown_helo_hostname", "reject_unknown_client_hostname", "reject_unknown_reverse_client_hostname",
		"reject_unverified_recipient", "reject_unverified_sender", "reject_sender_login_mismatch",
		"reject_authenticated_sender_login_mismatch", "permit_tls_clientcerts":
		return 0, true
	}
	return 0, false
}

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
			problems = append(problems, Problem{i, fmt.Errorf("%s is not enforced yet", strings.Fields(entry)[0]), true})
		default:
			list = append(list, r)
		}
	}
	return list, problems
}

func parse(entry string) (r rule, unenforced bool, err error) {
	words := strings.Fields(entry)
	if len(words) > 0 && words[0] == "warn_if_reject" {
		r.warn, words = true, words[1:]
	}
	if len(words) == 0 {
		return r, false, fmt.Errorf("restriction %q names no rule", entry)
	}
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

// DefaultRelay is Postfix's safe smtpd_relay_restrictions.
func DefaultRelay() []string {
	return []string{"permit_mynetworks", "permit_sasl_authenticated", "defer_unauth_destination"}
}

// Words are a service's two lists as configured.
type Words struct{ Relay, Recipient []string }

// Check complains of words that are wrong or not enforced, at their places below at, and of lists that would relay for the world.
func Check(at config.Section, w Words) {
	complain(at.At("relay_restrictions"), w.Relay)
	complain(at.At("recipient_restrictions"), w.Recipient)
	if !refuses(w.Relay) && !refuses(w.Recipient) {
		at.At("relay_restrictions").Errorf("nothing refuses to relay for strangers: one of relay_restrictions and recipient_restrictions needs " +
			"reject_unauth_destination, defer_unauth_destination, reject or defer before any permit")
	}
}

func complain(at config.Section, entries []string) {
	_, problems := ParseList(entries)
	for _, p := range problems {
		place := at.At(fmt.Sprintf("[%d]", p.Index))
		if p.Unenforced {
			// A rule that only warns, or only lets more in, weakens nothing when it is passed over.
			weakens := !strings.HasPrefix(entries[p.Index], "warn_if_reject") && !strings.HasPrefix(entries[p.Index], "permit_")
			place.Unenforced(weakens, "%v", p.Err)
			continue
		}
		place.Errorf("%v", p.Err)
	}
}

// refuses reports a working refusal of unauthorised destinations: one that stands before an unconditional permit.
func refuses(entries []string) bool {
	stops := []string{"reject_unauth_destination", "defer_unauth_destination", "reject", "defer"}
	for _, e := range entries {
		switch word := strings.TrimSpace(e); {
		case slices.Contains(stops, word):
			return true
		case word == "permit":
			return false
		}
	}
	return false
}
