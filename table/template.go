// SPDX-License-Identifier: MIT

package table

import (
	"errors"
	"strconv"
	"strings"
)

// template is the result of a pattern: text, and places for what its groups matched.
type template []piece

type piece struct {
	text  string
	group int // 0 is text
}

// parseTemplate reads $1, ${1}, $(1) and $$, which is one dollar sign.
func parseTemplate(s string) (template, error) {
	var t template
	for {
		text, rest, found := strings.Cut(s, "$")
		if text != "" {
			t = append(t, piece{text: text})
		}
		if !found {
			return t, nil
		}
		if strings.HasPrefix(rest, "$") {
			t, s = append(t, piece{text: "$"}), rest[1:]
			continue
		}
		group, after, err := cutGroup(rest)
		if err != nil {
			return nil, err
		}
		t, s = append(t, piece{group: group}), after
	}
}

// cutGroup reads what stands behind a $.
func cutGroup(s string) (group int, rest string, err error) {
	var closing string
	switch {
	case strings.HasPrefix(s, "{"):
		s, closing = s[1:], "}"
	case strings.HasPrefix(s, "("):
		s, closing = s[1:], ")"
	}
	digits := len(s) - len(strings.TrimLeft(s, "0123456789"))
	group, err = strconv.Atoi(s[:digits])
	rest, closed := strings.CutPrefix(s[digits:], closing)
	if err != nil || group < 1 || !closed {
		return 0, "", errors.New("behind $ stands the number of a group: $1, ${1} or $(1); $$ is a dollar sign")
	}
	return group, rest, nil
}

// highest is the greatest number of a group that the template names.
func (t template) highest() int {
	n := 0
	for _, p := range t {
		n = max(n, p.group)
	}
	return n
}

// expand fills in the groups of a match. A group that took no part in it is empty.
func (t template) expand(text string, groups []int) string {
	var b strings.Builder
	for _, p := range t {
		if p.group == 0 {
			b.WriteString(p.text)
		} else if from := groups[2*p.group]; from >= 0 {
			b.WriteString(text[from:groups[2*p.group+1]])
		}
	}
	return b.String()
}
