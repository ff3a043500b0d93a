// SPDX-License-Identifier: MIT

package mail

import (
	"io"
	"time"
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
// work). Text before the first header-like line starts an empty header, as Postfix has it. Errors are replies: TooBig,
// HeaderTooBig, TooManyHops, or the reader's or draft's own. It does not discard the draft.
func Receive(r io.Reader, draft Draft, lim Limits) (*Message, Arrival, error) { panic("todo") }

// ReceivedField is the trace field for env (RFC 5321 4.4): from HELO (name [addr]) (TLS) by host with PROTOCOL id ID
// [for <path>, only if there is one recipient]; date.
func ReceivedField(env *Envelope, host string, now time.Time) Field { panic("todo") }
