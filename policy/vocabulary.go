// SPDX-License-Identifier: MIT

package policy

import "strings"

// later are Postfix's words without an argument that are understood and not judged.
func later(word string) bool {
	switch word {
	case "permit_mx_backup", "permit_tls_all_clientcerts", "permit_tls_clientcerts",
		"reject_authenticated_sender_login_mismatch", "reject_known_sender_login_mismatch", "reject_sender_login_mismatch",
		"reject_unauthenticated_sender_login_mismatch":
		return true
	}
	return false
}

// weakens reports whether passing an entry over lets more in. One that only permits or waits does not, nor one about ETRN,
// which is not offered.
func weakens(entry string) bool {
	entry = strings.ToLower(strings.TrimSpace(entry))
	return strings.HasPrefix(entry, "reject_") || strings.HasPrefix(entry, "check_ccert")
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
	case "reject_unknown_address":
		return "reject_unknown_sender_domain"
	case "reject_rbl":
		return "reject_rbl_client"
	case "check_recipient_maps":
		return "reject_unlisted_recipient"
	}
	return word
}
