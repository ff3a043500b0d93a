// SPDX-License-Identifier: MIT

package config

import (
	"strings"
	"testing"
)

// Columns count characters, and what stands before a value (other lines' endings, text over several lines, letters of
// more than one octet, comments) does not shift it. The place of each key is where the value XX stands in the text.
func TestPositions(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"first":             "key: XX\n",
		"no end of line":    "a: b\nkey: XX",
		"crlf":              "a: b\r\nb: c\r\nkey: XX\r\n",
		"mark":              "\ufeffkey: XX\n",
		"header":            "---\nkey: XX\n",
		"comments":          "# é\n\n  # c\nkey: XX # d\n",
		"comment between":   "key:\n  # c\n  XX\n",
		"letters":           "a: {é: \"bücher\", key: XX}\n",
		"wide":              "a: ['漢字', \"\\u00e9\", {key: XX}]\n",
		"double quoted":     "key:   \"XX\"\n",
		"single quoted":     "a: 'it''s'\nkey: 'XX'\n",
		"escapes":           "a: {b: \"x\\n\\\"y\", key: XX}\n",
		"after literal":     "a: |\n  one\n  two\n\nkey: XX\n",
		"after folded":      "a: >-\n  one\n  two\nkey: XX\n",
		"after long plain":  "a: one\n  two\n  three\nkey: XX\n",
		"after long quoted": "a: \"one\n  two\"\nkey: XX\n",
		"after flow lines":  "a: [one,\n  two,\n  # c\n  three]\nkey: XX\n",
		"flow over lines":   "a: {b: c,\n    # c\n    key: XX}\n",
		"nested":            "a:\n  - b:\n      - {key: XX}\n",
		"list in list":      "a:\n- - x\n  - key: XX\n",
		"tab":               "a: b\t# c\nkey:\tXX\n",
		"empty before":      "a:\nb: \"\"\nc: ~\nkey: XX\n",
		"colon in it":       "a: b:c\nkey: XX\n",
		"url before":        "a: {b: \"http://x\", c: 'd # e', key: XX}\n",
	} {
		d := newDocument("f")
		d.parse([]byte(text))
		n := find(d.root, "key")
		if n == nil {
			t.Errorf("%s: not found: %v", name, d.report.Err())
			continue
		}
		before, _, _ := strings.Cut(strings.TrimPrefix(text, "\ufeff"), n.text)
		if strings.HasSuffix(before, "\"") || strings.HasSuffix(before, "'") {
			before = before[:len(before)-1]
		}
		lines := strings.Split(before, "\n")
		want := position{len(lines), len([]rune(lines[len(lines)-1])) + 1}
		if n.text != "XX" || n.pos != want {
			t.Errorf("%s: %q at %v, want %v in\n%s", name, n.text, n.pos, want, text)
		}
	}
}

func find(n *node, key string) *node {
	if found := n.child(key); found != nil {
		return found
	}
	for _, e := range n.keys {
		if found := find(e.value, key); found != nil {
			return found
		}
	}
	for _, item := range n.items {
		if found := find(item, key); found != nil {
			return found
		}
	}
	return nil
}
