// SPDX-License-Identifier: MIT

package mail

import "io"

// Message is a bounded header in memory over an immutable body: editing one copies no other.
type Message struct {
	Header Header
	Body   Body
}

// Body is what follows the empty line: CRLF lines, not dot-stuffed. It may be open several times at once.
type Body interface {
	Open() (io.ReadCloser, error)
	Size() int64
}

// Spool holds bodies while they come in. A Draft ends with Discard or a crash unless a Carrier adopted it first (the
// queue adopts its own without a copy, and copies every other Body); then Discard does nothing.
type Spool interface{ Create() (Draft, error) }

// Draft is a body being written. Open and Size are for after the last Write.
type Draft interface {
	io.Writer
	Body
	Discard()
}

// Bytes is a Body in memory.
type Bytes []byte

// Open reads it from the start.
func (b Bytes) Open() (io.ReadCloser, error) { panic("todo") }

// Size is its octets.
func (b Bytes) Size() int64 { return int64(len(b)) }

// Size is header, empty line and body in octets.
func (m *Message) Size() int64 { return m.Header.Size() + 2 + m.Body.Size() }

// Open reads header, empty line and body. The reader implements io.WriterTo.
func (m *Message) Open() (io.ReadCloser, error) { panic("todo") }

// ReadMessage takes a whole message (CRLF or bare LF lines; for files, tests and DSNs) into memory. Limit in octets.
func ReadMessage(r io.Reader, limit int64) (*Message, error) { panic("todo") }
