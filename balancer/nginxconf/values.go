// SPDX-License-Identifier: MIT

package nginxconf

import (
	"strconv"
	"strings"
	"time"
)

// number reads what NGINX takes for one: digits alone.
func number(s string) (int, bool) {
	if s == "" || strings.Trim(s, "0123456789") != "" {
		return 0, false
	}
	n, err := strconv.Atoi(s)
	return n, err == nil
}

// unit is one of NGINX's time units. In a compound time they come in this order, each once at most.
type unit struct {
	suffix string
	length time.Duration
}

const day = 24 * time.Hour

var units = []unit{
	{"y", 365 * day}, {"M", 30 * day}, {"w", 7 * day}, {"d", day}, {"h", time.Hour}, {"ms", time.Millisecond}, {"m", time.Minute},
	{"s", time.Second}, {" ", time.Second},
}

// Kinds of times: those that NGINX keeps in seconds know no milliseconds, and the others neither years nor months.
const (
	seconds      = false
	milliseconds = true
)

// longestTime is the most that is written; NGINX takes times beyond any clock.
const longestTime = 100 * 365 * day

// span reads a time: 10, 10s, 1h30m, "1h 30m", 500ms. A number without a unit is seconds.
func span(s string, fine bool) (total time.Duration, valid bool) {
	longer := longestTime + 1 // than the next unit has to be
	if fine {
		longer = 30 * day
	}
	for s != "" {
		digits := len(s) - len(strings.TrimLeft(s, "0123456789"))
		n, err := strconv.ParseInt("0"+s[:digits], 10, 64)
		if err != nil {
			return 0, false
		}
		valid = valid || digits > 0
		if s = s[digits:]; s == "" {
			return capped(total, n, time.Second), valid
		}
		u, ok := unitOf(s)
		if !ok || u.length >= longer || u.length < time.Second && !fine {
			return 0, false
		}
		if longer = u.length; u.suffix == " " {
			longer = 0 // only a number may follow
		}
		total = capped(total, n, u.length)
		s = strings.TrimLeft(s[len(u.suffix):], " ")
	}
	return total, valid
}

// unitOf is the unit that s begins with.
func unitOf(s string) (unit, bool) {
	for _, u := range units {
		if strings.HasPrefix(s, u.suffix) {
			return u, true
		}
	}
	return unit{}, false
}

// capped is total + n*length, and never more than longestTime.
func capped(total time.Duration, n int64, length time.Duration) time.Duration {
	if n > int64(longestTime/length) {
		return longestTime
	}
	return min(total+time.Duration(n)*length, longestTime)
}
