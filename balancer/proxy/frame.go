// SPDX-License-Identifier: MIT

package proxy

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
)

const (
	// MaxHeader is the longest header that is taken, in octets. Version 2 has room for 64 KiB; what real senders put into it, a
	// certificate at most, is far below.
	MaxHeader = 4096
	maxV1     = 107 // proxy-protocol.txt 2.1: the worst case, with its CRLF
	prefixV2  = 16  // signature, command, family and length
	signature = "\r\n\r\n\x00\r\nQUIT\n"
	startV1   = "PROXY "
)

// Errors of Frame, Parse and Read. All of them are wrapped, with what was there instead.
var (
	ErrNoHeader = errors.New("no PROXY header: is the sender configured to send one?")
	ErrHeader   = errors.New("bad PROXY header")
)

// Frame looks for the header that b begins with. n > 0: b[:n] is all of it, and Parse says whether it makes sense; 0 without an
// error: more octets are needed, of at most MaxHeader altogether. An error is for good, and comes as soon as one octet is wrong.
func Frame(b []byte) (n int, err error) {
	switch {
	case begins(b, signature):
		return frameV2(b)
	case begins(b, startV1):
		return frameV1(b)
	}
	return 0, fmt.Errorf("%w The first octets are %.32q", ErrNoHeader, b[:min(len(b), 16)])
}

// begins reports that b begins with want, as far as it is there.
func begins(b []byte, want string) bool {
	n := min(len(b), len(want))
	return string(b[:n]) == want[:n]
}

func frameV1(b []byte) (int, error) {
	line := b[:min(len(b), maxV1)]
	end := bytes.IndexByte(line, '\n')
	switch {
	case end < 0 && len(line) == maxV1:
		return 0, fmt.Errorf("%w: version 1 without an end of line in %d octets: %.128q", ErrHeader, maxV1, line)
	case end < 0:
		return 0, nil
	case line[end-1] != '\r':
		return 0, fmt.Errorf("%w: version 1 ends in LF, not in CRLF: %.128q", ErrHeader, line[:end+1])
	}
	return end + 1, nil
}

func frameV2(b []byte) (int, error) {
	if len(b) > 12 && b[12] != commandLocal && b[12] != commandProxy {
		return 0, fmt.Errorf("%w: version and command are 0x%02x, not 0x20 (LOCAL) or 0x21 (PROXY)", ErrHeader, b[12])
	}
	if len(b) < prefixV2 {
		return 0, nil
	}
	n := prefixV2 + int(binary.BigEndian.Uint16(b[14:]))
	if n > MaxHeader {
		return 0, fmt.Errorf("%w: version 2 of %d octets; at most %d are taken", ErrHeader, n, MaxHeader)
	}
	if len(b) < n {
		return 0, nil
	}
	return n, nil
}
