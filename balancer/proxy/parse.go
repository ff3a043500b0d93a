// SPDX-License-Identifier: MIT

package proxy

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"net"
	"net/netip"

	"github.com/pires/go-proxyproto"
)

const (
	commandLocal = byte(proxyproto.LOCAL)
	commandProxy = byte(proxyproto.PROXY)
	familyUnspec = byte(proxyproto.UNSPEC)
)

// Header is what a proxy says about a connection.
type Header struct {
	Source, Destination netip.AddrPort   // the client, and where it connected to; unmapped; zero if Local
	Local               bool             // no address: LOCAL, UNKNOWN, or a client that has none of TCP's (unix sockets, UDP)
	TLVs                []proxyproto.TLV // of version 2, in order; those of LOCAL are ignored, as the specification wants
}

// Parse reads a header that Frame found, whole and alone. The grammar is the library's, which is strict: ports of 0 to 65535
// without leading zeros, one space, addresses of the family announced. A CRC32C among the TLVs must be right.
func Parse(b []byte) (Header, error) {
	if n, err := Frame(b); err != nil {
		return Header{}, err
	} else if n == 0 || n != len(b) {
		return Header{}, fmt.Errorf("%w: %d octets are not one whole header", ErrHeader, len(b))
	}
	if begins(b, startV1) {
		return parseV1(b)
	}
	return parseV2(b)
}

func parseV1(b []byte) (Header, error) {
	h, err := library(b)
	if err != nil {
		return Header{}, fmt.Errorf("%w: %w: %.128q", ErrHeader, err, b)
	}
	return announced(h), nil
}

// parseV2 leaves to the library what has addresses. Of LOCAL the specification wants the whole block ignored, its family too, where
// the library refuses a family that it does not know; and PROXY without a family, which HAProxy sends for clients on unix
// sockets, is ours to take or to refuse: it is as good as LOCAL, and its TLVs count.
func parseV2(b []byte) (Header, error) {
	command, family := b[12], b[13]
	if command == commandLocal {
		return Header{Local: true}, nil
	}
	h := Header{Local: true}
	at := prefixV2
	if family != familyUnspec {
		read, err := library(b)
		if err != nil {
			return Header{}, fmt.Errorf("%w: %w: family 0x%02x with %d octets", ErrHeader, err, family, len(b)-prefixV2)
		}
		h = announced(read)
		at += addressLength(family)
	}
	tlvs, err := proxyproto.SplitTLVs(b[at:])
	if err != nil {
		return Header{}, fmt.Errorf("%w: %w", ErrHeader, err)
	}
	h.TLVs = tlvs
	return h, checkSums(b, at)
}

func library(b []byte) (*proxyproto.Header, error) {
	return proxyproto.Read(bufio.NewReaderSize(bytes.NewReader(b), len(b)))
}

func announced(h *proxyproto.Header) Header {
	source, destination, ok := h.TCPAddrs()
	if h.Command.IsLocal() || !ok {
		return Header{Local: true}
	}
	return Header{Source: unmapped(source), Destination: unmapped(destination)}
}

func unmapped(a *net.TCPAddr) netip.AddrPort {
	ap := a.AddrPort()
	return netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port())
}

// addressLength is how many octets the addresses of a family take that the library knows.
func addressLength(family byte) int {
	switch f := proxyproto.AddressFamilyAndProtocol(family); {
	case f.IsIPv4():
		return 12
	case f.IsIPv6():
		return 36
	}
	return 216 // unix: two paths of 108
}

// checkSums compares each CRC32C among the TLVs at b[at:], which are known to be whole, with that of the header whose four octets
// of it are zero (2.2.3).
func checkSums(b []byte, at int) error {
	for at < len(b) {
		value := b[at+3 : at+3+int(binary.BigEndian.Uint16(b[at+1:]))]
		if b[at] == byte(proxyproto.PP2_TYPE_CRC32C) {
			if err := checkSum(b, at+3, len(value)); err != nil {
				return err
			}
		}
		at += 3 + len(value)
	}
	return nil
}

func checkSum(b []byte, at, length int) error {
	if length != crc32.Size {
		return fmt.Errorf("%w: a CRC32C of %d octets instead of 4", ErrHeader, length)
	}
	got, want := binary.BigEndian.Uint32(b[at:]), sumWithout(b, at)
	if got != want {
		return fmt.Errorf("%w: its CRC32C is %08x, and %08x would be right: it was changed on its way", ErrHeader, got, want)
	}
	return nil
}

// sumWithout is the CRC32C of a header with zeros at the place of the sum itself.
func sumWithout(b []byte, at int) uint32 {
	table := crc32.MakeTable(crc32.Castagnoli)
	sum := crc32.Update(0, table, b[:at])
	sum = crc32.Update(sum, table, make([]byte, crc32.Size))
	return crc32.Update(sum, table, b[at+crc32.Size:])
}
