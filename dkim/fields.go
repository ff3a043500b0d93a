// SPDX-License-Identifier: MIT

package dkim

import (
	"slices"
	"strings"

	"posthouse/mail"
)

// Bounds of h=. The library writes it in one line, and a line has 998 octets at most (RFC 5322 2.1.1).
const (
	maxInstances = 5
	maxNames     = 800
)

// coverage says how a kind of field is signed. Received and Return-Path never are: they change on the way (RFC 6376 5.4.1).
type coverage uint8

const (
	present coverage = iota // as often as it is there
	sealed                  // and once more, if it is there: no second one may be added
	always                  // and once more even if it is not there: none may be added
)

// signable are the fields to sign, the most important first.
func signable() []struct {
	name string
	how  coverage
} {
	return []struct {
		name string
		how  coverage
	}{
		{"From", always}, {"To", always}, {"Cc", always}, {"Subject", always}, {"Reply-To", always},
		{"Date", sealed}, {"Message-ID", sealed}, {"MIME-Version", sealed}, {"Content-Type", sealed},
		{"Content-Transfer-Encoding", sealed}, {"Sender", sealed}, {"In-Reply-To", sealed}, {"References", sealed},
		{"Content-Disposition", present}, {"Content-ID", present}, {"Content-Description", present},
		{"List-Id", present}, {"List-Help", present}, {"List-Unsubscribe", present}, {"List-Unsubscribe-Post", present},
		{"List-Subscribe", present}, {"List-Post", present}, {"List-Owner", present}, {"List-Archive", present},
		{"Resent-Date", present}, {"Resent-From", present}, {"Resent-Sender", present}, {"Resent-To", present},
		{"Resent-Cc", present}, {"Resent-Message-ID", present},
	}
}

// choose picks what of a header is signed: the names for h=, and the fields that they stand for, each in one line. That is
// all that the library gets to see, since it takes quadratic time over folds and over fields that are not signed; in the
// relaxed form an unfolded field is the same as a folded one.
func choose(h mail.Header) (names []string, fields []string) {
	size := 0
	for _, s := range signable() {
		found := last(h, s.name)
		n := len(found)
		if (s.how == always || s.how == sealed && n > 0) && n < maxInstances {
			n++
		}
		if size+n*(len(s.name)+1) > maxNames {
			continue
		}
		size += n * (len(s.name) + 1)
		for range n {
			names = append(names, s.name)
		}
		fields = append(fields, found...)
	}
	return names, fields
}

// last are the last fields of a name, in order: h= counts from the bottom (RFC 6376 5.4.2).
func last(h mail.Header, name string) []string {
	var found []string
	fields := h.Fields()
	for i := len(fields) - 1; i >= 0 && len(found) < maxInstances; i-- {
		if fields[i].Is(name) {
			found = append(found, unfold(string(fields[i])))
		}
	}
	slices.Reverse(found)
	return found
}

// unfold puts a field on one line.
func unfold(field string) string {
	return strings.Join(strings.FieldsFunc(field, func(r rune) bool { return r == '\r' || r == '\n' }), "") + "\r\n"
}
