// SPDX-License-Identifier: MIT

package mail

import (
	"io"

	"posthouse/reply"
)

// Limits of one message, in octets and counts. Zero values mean the defaults in brackets.
type Limits struct {
	Size   int64 // whole message as received [50 MiB]
	Header int64 // header [1 MiB]
	Hops   int   // Received fields [100]
}

// Arrival is what the bytes themselves said.
type Arrival struct {
	Size       int64 // octets as received, CRLF as two
	EightBit   bool  // an octet above 127 in the body
	HeaderUTF8 bool  // an octet above 127 in the header
}

// Receive reads one message to EOF: header into memory, body once into draft. r yields CRLF lines, unstuffed (the guard's
// work). The header ends with the empty line, or before the first line that is no field, as Postfix has it: text without
// a header is all body, and the "From " line of an mbox file becomes a field. Errors are replies: TooBig, HeaderTooBig,
// TooManyHops, or the reader's or draft's own; what r still holds is the caller's to drain. It does not discard the draft.
func Receive(r io.Reader, draft Draft, lim Limits) (*Message, Arrival, error) {
	in := receiver{r: r, lim: lim.withDefaults(), block: blocks.Get().(*block)}
	defer func() { in.block.free() }()
	header, rest, err := in.readHeader()
	if err != nil {
		return nil, in.Arrival, err
	}
	if err := in.readBody(draft, rest); err != nil {
		return nil, in.Arrival, err
	}
	return &Message{Header: header, Body: draft}, in.Arrival, nil
}

func (l Limits) withDefaults() Limits {
	if l.Size == 0 {
		l.Size = 50 << 20
	}
	if l.Header == 0 {
		l.Header = 1 << 20
	}
	if l.Hops == 0 {
		l.Hops = 100
	}
	return l
}

// receiver is one Receive at work.
type receiver struct {
	Arrival
	r     io.Reader
	lim   Limits
	block *block
	empty int // reads in a row that gave nothing
	eof   bool
}

// maxEmpty bounds the patience with a reader that gives neither octets nor an error, as bufio does.
const maxEmpty = 100

// fill reads once into buf and counts. Only io.EOF itself is the end of the message: a wrapped one is a connection that broke,
// and must not pass for a message that is complete.
func (in *receiver) fill(buf []byte) (int, error) {
	n, err := in.r.Read(buf)
	in.Size += int64(n)
	if in.Size > in.lim.Size {
		return n, reply.TooBig
	}
	switch {
	case err == io.EOF:
		in.eof, err = true, nil
	case n > 0:
		in.empty = 0
	default:
		if in.empty++; err == nil && in.empty > maxEmpty {
			err = io.ErrNoProgress
		}
	}
	return n, err
}

// readHeader returns the header and the part of the body that came with it, which stands in the block.
func (in *receiver) readHeader() (Header, []byte, error) {
	var scan headerScan
	for have := 0; ; {
		n, err := in.fill(in.block.data[have:])
		if err != nil {
			return Header{}, nil, err
		}
		have += n
		done := scan.feed(in.block.data[:have], in.eof)
		switch {
		case int64(scan.end) > in.lim.Header:
			return Header{}, nil, reply.HeaderTooBig
		case scan.received > in.lim.Hops:
			return Header{}, nil, reply.TooManyHops
		case done:
			return in.cut(&scan), in.block.data[scan.body:have], nil
		case int64(have) > in.lim.Header+1: // the one may be the CR of the empty line
			return Header{}, nil, reply.HeaderTooBig
		case have == len(in.block.data):
			in.block = in.block.grown()
		}
	}
}

// cut makes the header of what was scanned: one string and one list.
func (in *receiver) cut(scan *headerScan) Header {
	raw := string(in.block.data[:scan.end])
	if scan.mailbox {
		raw = "X-Mailbox-Line: " + raw
	}
	in.HeaderUTF8 = !isASCII(raw)
	fields, _ := splitFields(raw)
	return Header{fields}
}

// readBody writes first and then all that follows to the draft, block by block.
func (in *receiver) readBody(draft Draft, first []byte) error {
	for {
		if len(first) > 0 {
			in.EightBit = in.EightBit || hasHighBit(first)
			if _, err := draft.Write(first); err != nil {
				return err
			}
		}
		if in.eof {
			return nil
		}
		n, err := in.fill(in.block.data)
		if err != nil {
			return err
		}
		first = in.block.data[:n]
	}
}
