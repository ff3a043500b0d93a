// SPDX-License-Identifier: MIT

package mail

import (
	"bytes"
	"io"
)

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
func (b Bytes) Open() (io.ReadCloser, error) { return bytesReader{bytes.NewReader(b)}, nil }

// Size is its octets.
func (b Bytes) Size() int64 { return int64(len(b)) }

// bytesReader keeps the WriteTo that io.NopCloser's type switch would hide from us.
type bytesReader struct{ *bytes.Reader }

func (bytesReader) Close() error { return nil }

// Size is header, empty line and body in octets.
func (m *Message) Size() int64 { return m.Header.Size() + 2 + m.Body.Size() }

// Open reads header, empty line and body. The reader implements io.WriterTo.
func (m *Message) Open() (io.ReadCloser, error) {
	body, err := m.Body.Open()
	if err != nil {
		return nil, err
	}
	head := make([]byte, 0, m.Header.Size()+2)
	for _, f := range m.Header.fields {
		head = append(head, f...)
	}
	return &messageReader{append(head, '\r', '\n'), body}, nil
}

// messageReader is a header, then a body.
type messageReader struct {
	head []byte
	body io.ReadCloser
}

func (r *messageReader) Read(p []byte) (int, error) {
	if len(r.head) == 0 {
		return r.body.Read(p)
	}
	n := copy(p, r.head)
	r.head = r.head[n:]
	return n, nil
}

// WriteTo writes what is left in large blocks, through the body's own WriteTo if it has one.
func (r *messageReader) WriteTo(w io.Writer) (int64, error) {
	n, err := w.Write(r.head)
	r.head = r.head[n:]
	if err != nil {
		return int64(n), err
	}
	if body, ok := r.body.(io.WriterTo); ok {
		m, err := body.WriteTo(w)
		return int64(n) + m, err
	}
	m, err := copyBody(w, r.body)
	return int64(n) + m, err
}

func (r *messageReader) Close() error { return r.body.Close() }

// copyBody is io.CopyBuffer with a pooled block. Both ends are bare, since a ReadFrom or WriteTo of theirs would be used in
// place of the block and may allocate its own.
func copyBody(w io.Writer, r io.Reader) (int64, error) {
	b := blocks.Get().(*block)
	defer b.free()
	return io.CopyBuffer(struct{ io.Writer }{w}, struct{ io.Reader }{r}, b.data)
}
