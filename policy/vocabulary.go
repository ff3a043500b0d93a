// SPDX-License-Identifier: MIT

package policy

import (
	"slices"
	"strings"
)

// later are Postfix's words that are understood and not judged yet, with the number of their arguments.
func later(word string) (arguments int, ok bool) {
	if about, found := strings.CutPrefix(word, "check_"); found {
		return 1, isCheck(about)
	}
	switch word {
	case "reject_rbl_client", "permit_dnswl_client", "permit_rhswl_client", "reject_rhsbl_client", "reject_rhsbl_reverse_client",
		"reject_rhsbl_helo", "reject_rhsbl_sender", "reject_rhsbl_recipient", "sleep":
		return 1, true
	case "defer_if_reject", "permit_inet_interfaces", "permit_mx_backup", "permit_tls_all_clientcerts", "permit_tls_clientcerts",
		"reject_authenticated_sender_login_mismatch", "reject_known_sender_login_mismatch", "reject_multi_recipient_bounce",
		"reject_plaintext_session", "reject_sender_login_mismatch", "reject_unauthenticated_sender_login_mismatch",
		"reject_unknown_client_hostname", "reject_unknown_forward_client_hostname", "reject_unknown_helo_hostname",
		"reject_unknown_reverse_client_hostname", "reject_unlisted_sender", "reject_unverified_recipient",
		"reject_unverified_sender":
		return 0, true
	}
	return 0, false
}

// isCheck reports what stands behind check_ in the rules that look a table up or ask a policy server.
func isCheck(about string) bool {
	switch about {
	case "policy_service", "ccert_access", "sasl_access", "etrn_access":
		return true
	}
	subject, found := strings.CutSuffix(about, "_access")
	for _, of := range []string{"_a", "_mx", "_ns"} {
		subject = strings.TrimSuffix(subject, of)
	}
	return found && slices.Contains([]string{"client", "reverse_client_hostname", "helo", "sender", "recipient"}, subject)
}

// modern is today's name of a word that Postfix still takes under an old one.
func modern(word string) string {
	switch word {
	case "reject_invalid_hostname":
		return "reject_invalid_helo_hostname"
	case "reject_non_fqdn_hostname":
		return "reject_non_fqdn_helo_hostname"
	case "reject_unknown_hostname":
		return "reject_unknown_helo_hostname"
	case "reject_unknown_client":
		return "reject_unknown_client_hostname"
	}
	return word
}

// braced makes one argument of several words in braces: check_policy_service { inet:host:port, timeout=10s }.
func braced(words []string) []string {
	if len(words) > 2 && strings.HasPrefix(words[1], "{") && strings.HasSuffix(words[len(words)-1], "}") {
		return []string{words[0], strings.Join(words[1:], " ")}
	}
	return words
}
