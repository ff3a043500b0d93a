// SPDX-License-Identifier: MIT

package table

import (
	"errors"
	"fmt"
	"strings"
)

// parseInline reads {key=value, {key = text with spaces}}: entries apart by commas or white space, in braces of their own
// if their text has any of these (postconf(5)).
func parseInline(s string) ([]pair, error) {
	inner := strings.TrimSpace(s)
	if !strings.HasPrefix(inner, "{") || !strings.HasSuffix(inner, "}") {
		return nil, errors.New("an inline table stands in braces: inline:{key=value, {key = text with spaces}}")
	}
	var out []pair
	for rest := skipSeparators(inner[1 : len(inner)-1]); rest != ""; rest = skipSeparators(rest) {
		var text string
		var err error
		if text, rest, err = cutInline(rest); err != nil {
			return nil, err
		}
		key, value, ok := strings.Cut(text, "=")
		key, value = strings.TrimSpace(key), strings.TrimSpace(value)
		if !ok || key == "" {
			return nil, fmt.Errorf("inline entry %q: the format is key=value", text)
		}
		out = append(out, pair{key, value})
	}
	if out == nil {
		return nil, errors.New("the inline table is empty")
	}
	return out, nil
}

// cutInline takes one entry off the rest, without its braces.
func cutInline(s string) (entry, rest string, err error) {
	if s[0] != '{' {
		end := strings.IndexAny(s, ", \t\r\n")
		if end < 0 {
			end = len(s)
		}
		return s[:end], s[end:], nil
	}
	depth := 0
	for i := range len(s) {
		switch s[i] {
		case '{':
			depth++
		case '}':
			if depth--; depth == 0 {
				return s[1:i], s[i+1:], nil
			}
		}
	}
	return "", "", errors.New("a brace is opened and not closed")
}

func skipSeparators(s string) string { return strings.TrimLeft(s, ", \t\r\n") }

// unbrace takes the braces off static:{ text }.
func unbrace(s string) string {
	if inner, ok := strings.CutPrefix(s, "{"); ok && strings.HasSuffix(inner, "}") {
		return inner[:len(inner)-1]
	}
	return s
}
