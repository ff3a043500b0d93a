// SPDX-License-Identifier: MIT

package config

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// Duration is a span of time, written as Postfix writes it and may be compounded: 10s, 5d, 1h30m, 500ms. The unit must be
// there; only 0 needs none.
type Duration time.Duration

var durationUnits = []struct {
	suffix string
	factor time.Duration
}{
	{"ms", time.Millisecond}, {"w", 7 * 24 * time.Hour}, {"d", 24 * time.Hour},
	{"h", time.Hour}, {"m", time.Minute}, {"s", time.Second},
}

// UnmarshalText reads a duration.
func (d *Duration) UnmarshalText(text []byte) error {
	if string(text) == "0" {
		*d = 0
		return nil
	}
	var total time.Duration
	rest := string(text)
	for first := true; first || rest != ""; first = false {
		part, after, err := cutDuration(rest)
		if err != nil {
			return fmt.Errorf("%q is not a duration: %w", text, err)
		}
		if total > math.MaxInt64-part {
			return fmt.Errorf("duration %s is out of range", text)
		}
		total, rest = total+part, after
	}
	*d = Duration(total)
	return nil
}

// cutDuration reads one number and its unit.
func cutDuration(s string) (part time.Duration, rest string, err error) {
	digits := len(s) - len(strings.TrimLeft(s, "0123456789"))
	n, err := strconv.ParseInt(s[:digits], 10, 63)
	if err != nil {
		return 0, "", fmt.Errorf("write it as 10s, 5m, 1h30m or 5d")
	}
	for _, u := range durationUnits {
		if rest, ok := strings.CutPrefix(s[digits:], u.suffix); ok {
			if n > math.MaxInt64/int64(u.factor) {
				return 0, "", fmt.Errorf("it is out of range")
			}
			return time.Duration(n) * u.factor, rest, nil
		}
	}
	return 0, "", fmt.Errorf("the number needs a unit: ms, s, m, h, d or w")
}

// String is the duration in days, hours, minutes, seconds and milliseconds, without those that are zero.
func (d Duration) String() string {
	if d == 0 {
		return "0s"
	}
	var b strings.Builder
	rest := time.Duration(d)
	for _, suffix := range []string{"d", "h", "m", "s", "ms"} {
		factor := unitOf(suffix)
		if n := rest / factor; n > 0 {
			b.WriteString(strconv.FormatInt(int64(n), 10) + suffix)
			rest -= n * factor
		}
	}
	return b.String()
}

func unitOf(suffix string) time.Duration {
	for _, u := range durationUnits {
		if u.suffix == suffix {
			return u.factor
		}
	}
	return 1
}

// MarshalText is String.
func (d Duration) MarshalText() ([]byte, error) { return []byte(d.String()), nil }
