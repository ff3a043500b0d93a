// SPDX-License-Identifier: MIT

package proxy

import (
	"encoding/binary"
	"encoding/hex"
	"hash/crc32"
	"net/netip"
	"strconv"

	"github.com/pires/go-proxyproto"
)

// Append writes the header behind dst, in version 1 or 2; any other number is 2. Without both addresses it is LOCAL or UNKNOWN,
// without TLVs. If the addresses are of two families the IPv4 one is written mapped into IPv6, as HAProxy does, so that the
// client stays known. Version 2 carries the TLVs on, with a CRC32C made anew; those that would make it longer than MaxHeader are
// left out.
func (h Header) Append(dst []byte, version int) []byte {
	h.Source, h.Destination = plain(h.Source), plain(h.Destination)
	if !h.Source.IsValid() || !h.Destination.IsValid() {
		h.Local = true
	}
	if version == 1 {
		return h.appendV1(dst)
	}
	return h.appendV2(dst)
}

// plain is an address as the protocol can say it: without a zone, and not mapped.
func plain(ap netip.AddrPort) netip.AddrPort {
	return netip.AddrPortFrom(ap.Addr().WithZone("").Unmap(), ap.Port())
}

// v4 reports that both addresses are IPv4.
func (h Header) v4() bool { return h.Source.Addr().Is4() && h.Destination.Addr().Is4() }

func (h Header) appendV1(dst []byte) []byte {
	if h.Local {
		return append(dst, "PROXY UNKNOWN\r\n"...)
	}
	if h.v4() {
		dst = append(dst, "PROXY TCP4 "...)
	} else {
		dst = append(dst, "PROXY TCP6 "...)
	}
	dst = append(appendIP(dst, h.Source.Addr(), h.v4()), ' ')
	dst = append(appendIP(dst, h.Destination.Addr(), h.v4()), ' ')
	dst = append(strconv.AppendUint(dst, uint64(h.Source.Port()), 10), ' ')
	dst = strconv.AppendUint(dst, uint64(h.Destination.Port()), 10)
	return append(dst, "\r\n"...)
}

// appendIP writes a mapped address in hexadecimal, ::ffff:c000:201: the grammar of TCP6 has no dots.
func appendIP(dst []byte, a netip.Addr, v4 bool) []byte {
	if v4 || a.Is6() {
		return a.AppendTo(dst)
	}
	ip := a.As4()
	dst = append(dst, "::ffff:"...)
	dst = append(hex.AppendEncode(dst, ip[:2]), ':')
	return hex.AppendEncode(dst, ip[2:])
}

func (h Header) appendV2(dst []byte) []byte {
	start := len(dst)
	dst = append(dst, signature...)
	switch {
	case h.Local:
		return append(dst, commandLocal, familyUnspec, 0, 0)
	case h.v4():
		dst = append(dst, commandProxy, byte(proxyproto.TCPv4), 0, 0)
		dst = append(dst, h.Source.Addr().AsSlice()...)
		dst = append(dst, h.Destination.Addr().AsSlice()...)
	default:
		source, destination := h.Source.Addr().As16(), h.Destination.Addr().As16()
		dst = append(dst, commandProxy, byte(proxyproto.TCPv6), 0, 0)
		dst = append(dst, source[:]...)
		dst = append(dst, destination[:]...)
	}
	dst = binary.BigEndian.AppendUint16(dst, h.Source.Port())
	dst = binary.BigEndian.AppendUint16(dst, h.Destination.Port())
	return h.appendTLVs(dst, start)
}

// appendTLVs completes the header that begins at start: the TLVs, the length, and then the sum over all of it.
func (h Header) appendTLVs(dst []byte, start int) []byte {
	sum := 0 // where it goes
	for _, t := range h.TLVs {
		value := t.Value
		if t.Type == proxyproto.PP2_TYPE_CRC32C {
			value = make([]byte, crc32.Size)
		}
		if len(dst)-start+3+len(value) > MaxHeader {
			continue
		}
		if t.Type == proxyproto.PP2_TYPE_CRC32C {
			if sum > 0 {
				continue // one is enough
			}
			sum = len(dst) + 3
		}
		dst = append(dst, byte(t.Type))
		dst = binary.BigEndian.AppendUint16(dst, uint16(len(value)))
		dst = append(dst, value...)
	}
	binary.BigEndian.PutUint16(dst[start+14:], uint16(len(dst)-start-prefixV2))
	if sum > 0 {
		binary.BigEndian.PutUint32(dst[sum:], sumWithout(dst[start:], sum-start))
	}
	return dst
}
