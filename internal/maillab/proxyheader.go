// SPDX-License-Identifier: MIT

package maillab

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"strings"
)

// signature begins a PROXY header of version 2.
const signature = "\r\n\r\n\x00\r\nQUIT\n"

// ProxyHeader is a PROXY header that a server was given, read by the letter of the specification and by nothing of ours.
type ProxyHeader struct {
	Raw         string
	Version     int
	Client, At  netip.AddrPort // zero for UNKNOWN and LOCAL
	Local       bool           // LOCAL, or UNKNOWN
	Attachments []TLV
}

// TLV is one attachment of version 2.
type TLV struct {
	Type  byte
	Value string
}

// ReadProxyHeader reads a header of either version. What came in spite of an error is in Raw.
func ReadProxyHeader(r *bufio.Reader) (ProxyHeader, error) {
	start, err := r.Peek(6)
	switch {
	case err != nil:
		return ProxyHeader{}, err
	case string(start) == "PROXY ":
		return readV1(r)
	case string(start) == signature[:6]:
		return readV2(r)
	}
	raw, _ := r.Peek(min(r.Buffered(), 64))
	return ProxyHeader{Raw: string(raw)}, fmt.Errorf("no PROXY header but %q", raw)
}

func readV1(r *bufio.Reader) (ProxyHeader, error) {
	line, err := r.ReadString('\n')
	h := ProxyHeader{Raw: line, Version: 1}
	if err != nil {
		return h, err
	}
	words := strings.Split(strings.TrimSuffix(line, "\r\n"), " ")
	if len(words) > 1 && words[1] == "UNKNOWN" {
		h.Local = true
		return h, nil
	}
	if len(line) > 107 || len(words) != 6 || !strings.HasSuffix(line, "\r\n") || words[1] != "TCP4" && words[1] != "TCP6" {
		return h, fmt.Errorf("header %q", line)
	}
	if h.Client, err = place(words[2], words[4]); err != nil {
		return h, err
	}
	h.At, err = place(words[3], words[5])
	if err == nil && (h.Client.Addr().Is4() != (words[1] == "TCP4") || h.At.Addr().Is4() != (words[1] == "TCP4")) {
		err = fmt.Errorf("family of %q", line)
	}
	return h, err
}

func place(address, port string) (netip.AddrPort, error) {
	if strings.Contains(address, ":") {
		address = "[" + address + "]"
	}
	return netip.ParseAddrPort(address + ":" + port)
}

func readV2(r *bufio.Reader) (ProxyHeader, error) {
	var head [16]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return ProxyHeader{}, err
	}
	rest := make([]byte, binary.BigEndian.Uint16(head[14:]))
	_, err := io.ReadFull(r, rest)
	h := ProxyHeader{Raw: string(head[:]) + string(rest), Version: 2, Local: head[12] == 0x20}
	if err != nil || string(head[:12]) != signature {
		return h, errors.Join(err, fmt.Errorf("header %q", h.Raw))
	}
	size := map[byte]int{0x11: 4, 0x21: 16}[head[13]]
	if head[12] == 0x21 && size > 0 && len(rest) >= 2*size+4 {
		client, _ := netip.AddrFromSlice(rest[:size])
		at, _ := netip.AddrFromSlice(rest[size : 2*size])
		ports := rest[2*size:]
		h.Client = netip.AddrPortFrom(client, binary.BigEndian.Uint16(ports))
		h.At = netip.AddrPortFrom(at, binary.BigEndian.Uint16(ports[2:]))
		rest = ports[4:]
	} else if head[12] != 0x20 {
		return h, fmt.Errorf("header %q", h.Raw)
	}
	for len(rest) >= 3 {
		n := int(binary.BigEndian.Uint16(rest[1:]))
		if len(rest) < 3+n {
			return h, fmt.Errorf("attachment cut off in %q", h.Raw)
		}
		h.Attachments = append(h.Attachments, TLV{rest[0], string(rest[3 : 3+n])})
		rest = rest[3+n:]
	}
	return h, nil
}

// readHeader takes the header of a connection.
func (c *BackendConn) readHeader() error {
	h, err := ReadProxyHeader(c.R)
	c.Visit.Header, c.Visit.Client = h.Raw, h.Client
	return err
}
