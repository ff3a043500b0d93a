// SPDX-License-Identifier: MIT

package mail

// Field is one raw header field as it came, folds and final CRLF included.
type Field string

// Name is what stands before the colon, as written, trailing blanks cut.
func (f Field) Name() string { panic("todo") }

// Value is the unfolded value, outer blanks cut.
func (f Field) Value() string { panic("todo") }

// NewField makes a field from a name and a value that holds no line breaks but folds ("\r\n\t"). Anything else is cleaned.
func NewField(name, value string) Field { panic("todo") }

// Header is the fields in order. Copies share; an edit never shows in another copy. The zero Header is empty.
type Header struct{ fields []Field }

// ParseHeader takes the raw header without the empty line. A first line without a colon, or a fold before any field, is an error.
func ParseHeader(raw string) (Header, error) { panic("todo") }

// Fields is the fields in order; not to be changed.
func (h Header) Fields() []Field { return h.fields }

// Get is the first value of name (case-insensitive), "" if there is none.
func (h Header) Get(name string) string { panic("todo") }

// Values are all values of name, in order.
func (h Header) Values(name string) []string { panic("todo") }

// Has reports a field of that name.
func (h Header) Has(name string) bool { panic("todo") }

// Count is the number of fields of that name.
func (h Header) Count(name string) int { panic("todo") }

// Prepend puts fields before all others, the first first.
func (h *Header) Prepend(f ...Field) { panic("todo") }

// Append puts fields after all others.
func (h *Header) Append(f ...Field) { panic("todo") }

// Insert puts a field at index i (0 is the top, as milters count; beyond the end appends).
func (h *Header) Insert(i int, f Field) { panic("todo") }

// Remove takes all fields of that name out and returns their number.
func (h *Header) Remove(name string) int { panic("todo") }

// Replace changes the nth field (1 is the first, as milters count) of that name; an empty Field removes it. False: there is none.
func (h *Header) Replace(name string, n int, f Field) bool { panic("todo") }

// Size is the octets of all fields.
func (h Header) Size() int64 { panic("todo") }

// String is the raw header without the empty line.
func (h Header) String() string { panic("todo") }

// EightBit reports an octet above 127 (which in a header means SMTPUTF8, RFC 6532).
func (h Header) EightBit() bool { panic("todo") }
