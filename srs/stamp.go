// SPDX-License-Identifier: MIT

package srs

import (
	"strings"
	"time"
)

// The date of an address is a day counted in two base32 digits, upper or lower case: it wraps after 1024 days.
const (
	day    = 24 * time.Hour
	digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
	base   = 32 // len(digits)
	slots  = base * base
)

// today is the slot of a time.
func today(now time.Time) int { return int(now.Unix()/int64(day/time.Second)) % slots }

// stamp writes the slot of a time.
func stamp(now time.Time) string {
	n := today(now)
	return string([]byte{digits[n/base], digits[n%base]})
}

// fresh reports whether a stamp is from today or from at most age before. One from tomorrow is not: it counts as 1023 days old.
func fresh(stamp string, now time.Time, age time.Duration) bool {
	then, ok := parseStamp(stamp)
	if !ok {
		return false
	}
	old := (today(now) - then + slots) % slots
	return time.Duration(old)*day <= age
}

func parseStamp(s string) (int, bool) {
	if len(s) != 2 {
		return 0, false
	}
	high, low := digit(s[0]), digit(s[1])
	return high*base + low, high >= 0 && low >= 0
}

// digit is the value of a base32 digit in either case, or -1.
func digit(c byte) int {
	if 'a' <= c && c <= 'z' {
		c -= 'a' - 'A'
	}
	return strings.IndexByte(digits, c)
}
