// SPDX-License-Identifier: MIT

package config

import "strings"

// nearest returns the name that was probably meant, "" if none is close: two letters may be wrong, or a third of a long
// name, never all of a short one; hyphens and capitals do not count.
func nearest(name string, known []string) string {
	best, least := "", min(len(name), max(3, len(name)/3+1))
	for _, k := range known {
		if d := distance(fold(name), fold(k)); d < least {
			best, least = k, d
		}
	}
	return best
}

func fold(s string) string { return strings.ReplaceAll(strings.ToLower(s), "-", "_") }

// distance is Levenshtein's: how many letters must be put in, taken out or changed. Names are at most 64 octets here, so
// that a hostile key costs nothing.
func distance(a, b string) int {
	if len(a) > 64 || len(b) > 64 {
		return 64
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
