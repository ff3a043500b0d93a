// SPDX-License-Identifier: MIT

package mail

import (
	"errors"
	"slices"
	"strings"
)

// Header is the fields in order. Copies share; an edit never shows in another copy, since each makes a list of its own.
// The zero Header is empty. Names are compared without regard to case.
type Header struct{ fields []Field }

// ParseHeader takes the raw header without the empty line. A first line without a colon, or a fold before any field, is
// an error. The fields are slices of raw, so that a header costs two allocations however many fields it has.
func ParseHeader(raw string) (Header, error) {
	fields, end := splitFields(raw)
	if end < len(raw) {
		return Header{}, errors.New("malformed header line")
	}
	return Header{fields}, nil
}

// splitFields cuts raw into fields up to the first line that is neither a field nor its continuation.
func splitFields(raw string) (fields []Field, end int) {
	fields = make([]Field, 0, countFields(raw))
	start := 0
	for at := 0; at < len(raw); {
		next := lineEnd(raw, at)
		kind := lineKind(raw[at:next])
		if kind == lineField && at > start {
			fields = append(fields, Field(raw[start:at]))
			start = at
		}
		if kind == lineOther || kind == lineFold && at == start {
			break
		}
		at, end = next, next
	}
	if end > start {
		fields = append(fields, terminated(raw[start:end]))
	}
	return fields, end
}

// terminated gives the last field of a text that was cut off its CRLF.
func terminated(s string) Field {
	if strings.HasSuffix(s, "\n") {
		return Field(s)
	}
	return Field(strings.TrimSuffix(s, "\r") + "\r\n")
}

// Fields is the fields in order; not to be changed.
func (h Header) Fields() []Field { return h.fields }

// Get is the first value of name, "" if there is none.
func (h Header) Get(name string) string {
	for _, f := range h.fields {
		if f.Is(name) {
			return f.Value()
		}
	}
	return ""
}

// Values are all values of name, in order.
func (h Header) Values(name string) []string {
	var values []string
	for _, f := range h.fields {
		if f.Is(name) {
			values = append(values, f.Value())
		}
	}
	return values
}

// Has reports a field of that name.
func (h Header) Has(name string) bool {
	return slices.ContainsFunc(h.fields, func(f Field) bool { return f.Is(name) })
}

// Count is the number of fields of that name.
func (h Header) Count(name string) int {
	n := 0
	for _, f := range h.fields {
		if f.Is(name) {
			n++
		}
	}
	return n
}

// Prepend puts fields before all others, the first first.
func (h *Header) Prepend(f ...Field) { h.fields = slices.Concat(f, h.fields) }

// Append puts fields after all others.
func (h *Header) Append(f ...Field) { h.fields = slices.Concat(h.fields, f) }

// Insert puts a field at index i (0 is the top, as milters count; beyond the end appends).
func (h *Header) Insert(i int, f Field) {
	i = max(0, min(i, len(h.fields)))
	h.fields = slices.Concat(h.fields[:i], []Field{f}, h.fields[i:])
}

// Remove takes all fields of that name out and returns their number.
func (h *Header) Remove(name string) int {
	n := h.Count(name)
	if n == 0 {
		return 0
	}
	kept := make([]Field, 0, len(h.fields)-n)
	for _, f := range h.fields {
		if !f.Is(name) {
			kept = append(kept, f)
		}
	}
	h.fields = kept
	return n
}

// Replace changes the nth field (1 is the first, as milters count) of that name; an empty Field removes it. False: there
// is none.
func (h *Header) Replace(name string, n int, f Field) bool {
	for i, old := range h.fields {
		if !old.Is(name) {
			continue
		}
		if n--; n != 0 {
			continue
		}
		if f == "" {
			h.fields = slices.Concat(h.fields[:i], h.fields[i+1:])
		} else {
			h.fields = slices.Concat(h.fields[:i], []Field{f}, h.fields[i+1:])
		}
		return true
	}
	return false
}

// Size is the octets of all fields.
func (h Header) Size() int64 {
	n := 0
	for _, f := range h.fields {
		n += len(f)
	}
	return int64(n)
}

// String is the raw header without the empty line.
func (h Header) String() string {
	var b strings.Builder
	b.Grow(int(h.Size()))
	for _, f := range h.fields {
		b.WriteString(string(f))
	}
	return b.String()
}

// EightBit reports an octet above 127 (which in a header means SMTPUTF8, RFC 6532).
func (h Header) EightBit() bool {
	return slices.ContainsFunc(h.fields, func(f Field) bool { return !isASCII(string(f)) })
}
