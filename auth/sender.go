// SPDX-License-Identifier: MIT

package auth

import "strings"

// Owns reports whether a login may send as local@domain, by a table as Postfix's smtpd_sender_login_maps has it: the value
// of an address, or of its domain as @domain, lists the logins that own it. An address that nobody owns is nobody's.
//
// The most specific key decides: the address, then without its extension behind delimiter ("" for none), then @domain.
func Owns(lookup func(key string) (logins string, found bool), login, local, domain, delimiter string) bool {
	for _, key := range senderKeys(local, domain, delimiter) {
		if logins, found := lookup(key); found {
			return listed(logins, login)
		}
	}
	return false
}

func senderKeys(local, domain, delimiter string) []string {
	keys := []string{local + "@" + domain}
	if i := strings.IndexAny(local, delimiter); i > 0 {
		keys = append(keys, local[:i]+"@"+domain)
	}
	return append(keys, "@"+domain)
}

// listed looks for a login in a list with commas or blanks between its words. What stands in quotes is one word: a pattern may
// have taken it out of an address that anybody can invent.
func listed(logins, login string) bool {
	for rest := logins; rest != ""; {
		var word string
		word, rest = nextWord(rest)
		if word != "" && strings.EqualFold(word, login) {
			return true
		}
	}
	return false
}

// nextWord cuts at the first comma or blank outside of quotes. The quotes stay, so that no login is ever equal to such a word
// unless it has them too.
func nextWord(s string) (word, rest string) {
	quoted := false
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '\\' && quoted:
			i++
		case c == '"':
			quoted = !quoted
		case !quoted && (c == ',' || c == ' ' || c == '\t'):
			return s[:i], s[i+1:]
		}
	}
	return s, ""
}
