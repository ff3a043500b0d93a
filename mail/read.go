// SPDX-License-Identifier: MIT

package mail

import (
	"bytes"
	"io"
	"math"

	"posthouse/reply"
)

// ReadMessage takes a whole message (CRLF or bare LF lines; for files, tests and DSNs) into memory. Limit in octets.
func ReadMessage(r io.Reader, limit int64) (*Message, error) {
	raw, err := io.ReadAll(io.LimitReader(r, limit+1))
	if err != nil {
		return nil, err
	}
	if int64(len(raw)) > limit {
		return nil, reply.TooBig
	}
	raw = withCRLF(raw)
	size := int64(len(raw))
	msg, _, err := Receive(bytes.NewReader(raw), new(memory), Limits{Size: size + 1, Header: size + 1, Hops: math.MaxInt})
	return msg, err
}

// withCRLF ends every line in CRLF, the last one too.
func withCRLF(raw []byte) []byte {
	if n := len(raw); n > 0 && raw[n-1] != '\n' {
		raw = append(raw, '\n')
	}
	if bytes.Count(raw, []byte("\n")) == bytes.Count(raw, []byte("\r\n")) {
		return raw
	}
	out := make([]byte, 0, len(raw)+len(raw)/32)
	for line := range bytes.Lines(raw) {
		line = bytes.TrimSuffix(bytes.TrimSuffix(line, []byte("\n")), []byte("\r"))
		out = append(append(out, line...), '\r', '\n')
	}
	return out
}

// memory is a Draft that stays in memory.
type memory struct{ Bytes }

func (m *memory) Write(p []byte) (int, error) {
	m.Bytes = append(m.Bytes, p...)
	return len(p), nil
}

func (m *memory) Discard() {}
