// SPDX-License-Identifier: MIT

package proxy

import (
	"errors"
	"fmt"
	"io"
)

// Read reads a header from a connection, in as many pieces as it comes; the caller has set a deadline. rest is what came behind it
// in the same piece: the client's first octets, which are not in the connection any more.
func Read(r io.Reader) (h Header, rest []byte, err error) {
	b := make([]byte, 0, 512)
	for {
		n, err := Frame(b)
		if err != nil {
			return Header{}, nil, err
		}
		if n > 0 {
			h, err := Parse(b[:n])
			return h, b[n:], err
		}
		if len(b) == cap(b) {
			b = append(make([]byte, 0, MaxHeader), b...)
		}
		n, err = r.Read(b[len(b):cap(b)])
		b = b[:len(b)+n]
		if err != nil && n == 0 {
			return Header{}, nil, cut(len(b), err)
		}
	}
}

func cut(had int, err error) error {
	if had == 0 {
		return fmt.Errorf("no PROXY header came: %w", err)
	}
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return fmt.Errorf("%w: it ends after %d octets: %w", ErrHeader, had, err)
}
