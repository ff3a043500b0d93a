// SPDX-License-Identifier: MIT

package table

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Ref names a table in the cluster file: "virtual" or "hash:virtual" (a file), "regexp:", "pcre:", "cidr:", "refile:" and
// a file, "inline:{a=b, {c = d e}}", "static:value". A YAML list of words is an inline table with those keys, each its own
// value; a list of Refs with their kinds is those tables, asked in turn.
type Ref struct {
	text  string
	kind  string
	rest  string // the file, the static value
	pairs []pair // of an inline table
	items []string
	parts []Ref
}

type pair struct{ key, value string }

// MustRef is ParseRef for a Ref that is right.
func MustRef(text string) Ref {
	r, err := ParseRef(text)
	if err != nil {
		panic(err)
	}
	return r
}

// ParseRef reads a Ref from one word.
func ParseRef(text string) (Ref, error) {
	name, rest, ok := cutKind(text)
	if !ok {
		name, rest = "hash", text
	}
	r := Ref{text: text, kind: name, rest: rest}
	switch {
	case kinds[name] == noKind:
		return Ref{}, fmt.Errorf("%q is no kind of table; there are %s", name, known())
	case strings.TrimSpace(rest) == "":
		return Ref{}, errors.New("is empty; it names a table")
	}
	var err error
	switch kinds[name] {
	case inlineKind:
		r.pairs, err = parseInline(rest)
	case staticKind:
		r.rest = strings.TrimSpace(unbrace(rest))
	default:
		r.rest = strings.TrimSuffix(rest, ".db")
	}
	return r, err
}

// Default is the Ref with a kind other than hash for a file that was written without one: OpenDKIM's tables are refile.
func (r Ref) Default(kind string) Ref {
	if r.text != "" && r.rest == strings.TrimSuffix(r.text, ".db") {
		r.kind = kind
	}
	return r
}

// cutKind takes the kind off a Ref. A colon behind a slash belongs to a path.
func cutKind(text string) (kind, rest string, ok bool) {
	kind, rest, ok = strings.Cut(text, ":")
	return kind, rest, ok && !strings.ContainsAny(kind, "/.")
}

func known() string {
	var names []string
	for name := range kinds {
		names = append(names, name)
	}
	slices.Sort(names)
	return strings.Join(names, ", ")
}

// IsZero reports that no table was named.
func (r Ref) IsZero() bool { return r.text == "" && r.items == nil }

// String is the Ref as it was written.
func (r Ref) String() string {
	if r.items != nil {
		return "[" + strings.Join(r.items, ", ") + "]"
	}
	return r.text
}

// MarshalText is the Ref as one word.
func (r Ref) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// MarshalList is the Ref as the list that it was written as, nil if it was one word.
func (r Ref) MarshalList() []string { return r.items }

// UnmarshalText is ParseRef.
func (r *Ref) UnmarshalText(text []byte) (err error) {
	*r, err = ParseRef(string(text))
	return err
}

// UnmarshalList reads a YAML list: keys, or tables with their kinds.
func (r *Ref) UnmarshalList(items []string) error {
	out := Ref{kind: "inline", items: append([]string{}, items...)}
	for i, item := range items {
		if name, _, ok := cutKind(item); !ok || kinds[name] == noKind {
			out.pairs = append(out.pairs, pair{item, item})
			continue
		}
		part, err := ParseRef(item)
		if err != nil {
			return fmt.Errorf("item %d: %w", i+1, err)
		}
		out.parts = append(out.parts, part)
	}
	if out.parts != nil && out.pairs != nil {
		return fmt.Errorf("mixes words (%s) with tables (%s); give every table its kind", out.pairs[0].key, out.parts[0])
	}
	*r = out
	return nil
}
