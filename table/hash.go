// SPDX-License-Identifier: MIT

package table

import (
	"fmt"
	"iter"
	"strings"
)

// hashView is a table with fixed keys. A look-up of a key in lower case allocates nothing.
type hashView struct {
	entries map[string]Entry
	order   []string
}

func newHash() *hashView { return &hashView{entries: make(map[string]Entry)} }

func (h *hashView) Lookup(key string) (value, where string, ok bool) {
	e, ok := h.entries[strings.ToLower(key)]
	return e.Value, e.Where, ok
}

func (h *hashView) All() iter.Seq2[string, Entry] {
	return func(yield func(string, Entry) bool) {
		for _, key := range h.order {
			if !yield(key, h.entries[key]) {
				return
			}
		}
	}
}

// add enters a key unless it is there already, as postmap does.
func (h *hashView) add(key string, e Entry) bool {
	key = strings.ToLower(key)
	if _, there := h.entries[key]; there {
		return false
	}
	h.entries[key] = e
	h.order = append(h.order, key)
	return true
}

// hash reads `key value` lines.
func (s *source) hash(lines iter.Seq[line]) View {
	h := newHash()
	for l := range s.bounded(lines, maxEntries) {
		key, value, err := splitEntry(l.text)
		if err != nil {
			s.complain(l, err.Error())
			continue
		}
		if !h.add(key, Entry{value, s.where(l)}) {
			_, first, _ := h.Lookup(key)
			s.warn(l, fmt.Sprintf("duplicate entry %q is ignored; the one in force is %s", key, first))
		}
	}
	return h
}

// splitEntry cuts a line at the first white space outside of quotes. A key that begins with a quote, as an address with a
// space in its local part must, is unquoted (postmap(1)).
func splitEntry(text string) (key, value string, err error) {
	end, quoted := 0, false
	for ; end < len(text) && (quoted || !isSpace(text[end])); end++ {
		switch text[end] {
		case '"':
			quoted = !quoted
		case '\\':
			end++
		}
	}
	end = min(end, len(text))
	key, value = text[:end], strings.TrimSpace(text[end:])
	switch {
	case quoted:
		return "", "", fmt.Errorf(`a quote (") is opened and not closed`)
	case value == "" && strings.Contains(key, ":"):
		return "", "", fmt.Errorf("no value: the format is `key value`; `key: value` is that of an aliases file")
	case value == "":
		return "", "", fmt.Errorf("no value behind the key: the format is `key value`")
	case strings.HasSuffix(key, ":"):
		return "", "", fmt.Errorf("the key ends in a colon: `key: value` is the format of an aliases file, this one has `key value`")
	}
	if key[0] == '"' {
		key = unquote(key)
	}
	return key, value, nil
}

// unquote takes quotes and backslashes off the local part of an address.
func unquote(key string) string {
	at := strings.LastIndexByte(key, '"') + 1
	var b strings.Builder
	for i := 0; i < at; i++ {
		if key[i] == '\\' {
			i++
		} else if key[i] == '"' {
			continue
		}
		b.WriteByte(key[i])
	}
	return b.String() + key[at:]
}
