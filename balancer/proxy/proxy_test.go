// SPDX-License-Identifier: MIT

package proxy

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/netip"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
	"github.com/pires/go-proxyproto"
)

const (
	tcp4  = "\xc0\x00\x02\x01\xc0\x00\x02\x02\x9c\x40\x00\x19" // 192.0.2.1:40000 to 192.0.2.2:25
	from6 = "\x20\x01\x0d\xb8\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01"
	to6   = "\x20\x01\x0d\xb8\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02"
	tcp6  = from6 + to6 + "\x9c\x40\x00\x19"
)

// v2 is a header of version 2.
func v2(command, family byte, block string) string {
	b := append([]byte(signature), command, family)
	return string(binary.BigEndian.AppendUint16(b, uint16(len(block)))) + block
}

func tlv(kind byte, value string) string {
	return string(binary.BigEndian.AppendUint16([]byte{kind}, uint16(len(value)))) + value
}

// summed fills in the CRC32C whose zeros are the last four octets.
func summed(header string) string {
	b := []byte(header)
	binary.BigEndian.PutUint32(b[len(b)-4:], sumWithout(b, len(b)-4))
	return string(b)
}

func ends(source, destination string) Header {
	return Header{Source: netip.MustParseAddrPort(source), Destination: netip.MustParseAddrPort(destination)}
}

func with(h Header, tlvs ...proxyproto.TLV) Header {
	h.TLVs = tlvs
	return h
}

var compare = cmp.Options{cmp.Comparer(func(a, b netip.AddrPort) bool { return a == b })}

func good() map[string]Header {
	four, six := ends("192.0.2.1:40000", "192.0.2.2:25"), ends("[2001:db8::1]:40000", "[2001:db8::2]:25")
	local := Header{Local: true}
	ssl := "\x01\x00\x00\x00\x00" + tlv(0x21, "TLSv1.3") + tlv(0x23, "TLS_AES_128_GCM_SHA256") + tlv(0x22, "guest")
	sum := summed(v2(0x21, 0x11, tcp4+tlv(0x03, "\x00\x00\x00\x00")))
	return map[string]Header{
		"PROXY TCP4 192.0.2.1 192.0.2.2 40000 25\r\n":              four,
		"PROXY TCP6 2001:db8::1 2001:db8::2 40000 25\r\n":          six,
		"PROXY TCP6 2001:DB8:0:0::1 2001:0db8::2 40000 25\r\n":     six,
		"PROXY TCP6 ::ffff:c000:201 ::ffff:192.0.2.2 40000 25\r\n": four,
		"PROXY TCP4 0.0.0.0 255.255.255.255 0 65535\r\n":           ends("0.0.0.0:0", "255.255.255.255:65535"),
		"PROXY UNKNOWN\r\n": local,
		"PROXY UNKNOWN " + strings.Repeat("x", 107-16) + "\r\n": local,
		"PROXY UNKNOWN ffff::1 ffff::2 65535 65535\r\n":         local,
		v2(0x21, 0x11, tcp4):                                            four,
		v2(0x21, 0x21, tcp6):                                            six,
		v2(0x21, 0x12, tcp4):                                            local, // UDP
		v2(0x21, 0x22, tcp6):                                            local,
		v2(0x21, 0x31, "/a"+strings.Repeat("\x00", 214)):                local, // unix
		v2(0x21, 0x32, strings.Repeat("\x00", 216)):                     local,
		v2(0x21, 0x31, strings.Repeat("/", 216)+tlv(0x05, "id")):        with(local, proxyproto.TLV{Type: 5, Value: []byte("id")}),
		v2(0x21, 0x00, ""):                                              local,
		v2(0x21, 0x00, tlv(0x05, "id")):                                 with(local, proxyproto.TLV{Type: 5, Value: []byte("id")}),
		v2(0x20, 0x00, ""):                                              local,
		v2(0x20, 0x11, tcp4):                                            local,
		v2(0x20, 0x11, "short"):                                         local,
		v2(0x20, 0x77, "whatever"):                                      local, // "including the family which is ignored"
		v2(0x20, 0x00, tlv(0x03, "bad!")):                               local,
		v2(0x21, 0x11, tcp4+tlv(0x01, "imap")):                          with(four, proxyproto.TLV{Type: 1, Value: []byte("imap")}),
		v2(0x21, 0x21, tcp6+tlv(0x02, "mail.test")):                     with(six, proxyproto.TLV{Type: 2, Value: []byte("mail.test")}),
		v2(0x21, 0x11, tcp4+tlv(0x04, "")):                              with(four, proxyproto.TLV{Type: 4}),
		v2(0x21, 0x11, tcp4+tlv(0x04, "padding")+tlv(0x05, "\x00\xff")): with(four, proxyproto.TLV{Type: 4}, proxyproto.TLV{Type: 5, Value: []byte{0, 255}}),
		v2(0x21, 0x11, tcp4+tlv(0x20, ssl)):                             with(four, proxyproto.TLV{Type: 0x20, Value: []byte(ssl)}),
		v2(0x21, 0x11, tcp4+tlv(0x30, "blue")+tlv(0xe0, "ours")+tlv(0xf0, "")+tlv(0xf8, "later")): with(four, proxyproto.TLV{Type: 0x30, Value: []byte("blue")}, proxyproto.TLV{Type: 0xe0, Value: []byte("ours")}, proxyproto.TLV{Type: 0xf0, Value: []byte{}}, proxyproto.TLV{Type: 0xf8, Value: []byte("later")}),
		sum: with(four, proxyproto.TLV{Type: 3, Value: []byte(sum[len(sum)-4:])}),
		v2(0x21, 0x11, tcp4+tlv(0xe1, strings.Repeat("x", MaxHeader-prefixV2-12-3))): with(four, proxyproto.TLV{Type: 0xe1, Value: bytes.Repeat([]byte("x"), MaxHeader-prefixV2-12-3)}),
	}
}

func TestGood(t *testing.T) {
	t.Parallel()
	for text, want := range good() {
		if n, err := Frame([]byte(text + "EHLO")); n != len(text) || err != nil {
			t.Errorf("%.80q: framed %d, %v", text, n, err)
		}
		got, err := Parse([]byte(text))
		if err != nil {
			t.Errorf("%.80q: %v", text, err)
		} else if d := cmp.Diff(want, got, compare); d != "" {
			t.Errorf("%.80q: %s", text, d)
		}
	}
}

// TestSplit: however the octets come, the header is the same and nothing behind it is lost.
func TestSplit(t *testing.T) {
	t.Parallel()
	for text, want := range good() {
		for at := range len(text) {
			if n, err := Frame([]byte(text[:at])); n != 0 || err != nil {
				t.Fatalf("%.80q: of %d octets %d, %v", text, at, n, err)
			}
		}
		for _, r := range []io.Reader{strings.NewReader(text + "EHLO x\r\n"), iotest.OneByteReader(strings.NewReader(text + "EHLO x\r\n")),
			iotest.DataErrReader(strings.NewReader(text + "EHLO x\r\n"))} {
			h, rest, err := Read(r)
			behind, _ := io.ReadAll(r)
			if d := cmp.Diff(want, h, compare); d != "" || err != nil || string(rest)+string(behind) != "EHLO x\r\n" {
				t.Errorf("%.80q: %v, rest %q, %q; %s", text, err, rest, behind, d)
			}
		}
	}
}

func TestBad(t *testing.T) {
	t.Parallel()
	wrong := []byte(summed(v2(0x21, 0x11, tcp4+tlv(0x05, "id")+tlv(0x03, "\x00\x00\x00\x00"))))
	wrong[20] ^= 1
	for text, want := range map[string]string{
		"EHLO x\r\n":                                    "no PROXY header",
		"\x16\x03\x01\x02\x00\x01":                      "no PROXY header",
		"\r\n\r\nGET":                                   "no PROXY header",
		"PROXYjunk TCP4":                                "no PROXY header",
		"proxy TCP4 192.0.2.1 192.0.2.2 1 2\r\n":        "no PROXY header",
		"PROXY\r\n":                                     "no PROXY header",
		"PROXY TCP4 192.0.2.1 192.0.2.2 40000 25\n":     "LF, not in CRLF",
		"PROXY UNKNOWN " + strings.Repeat("x", 200):     "without an end of line in 107",
		"PROXY TCP4 192.0.2.1 192.0.2.2 40000\r\n":      "can't read address family",
		"PROXY TCP4 192.0.2.1 192.0.2.2 40000 25 \r\n":  "can't read address family",
		"PROXY TCP4 192.0.2.1 192.0.2.2 40000 25 9\r\n": "can't read address family",
		"PROXY TCP4  192.0.2.1 192.0.2.2 40000 25\r\n":  "can't read address family",
		"PROXY TCP4 192.0.2.1\t192.0.2.2 40000 25\r\n":  "can't read address family",
		"PROXY UDP4 192.0.2.1 192.0.2.2 40000 25\r\n":   "can't read address family",
		"PROXY tcp4 192.0.2.1 192.0.2.2 40000 25\r\n":   "can't read address family",
		"PROXY \r\n":         "can't read address family",
		"PROXY UNKNOWNx\r\n": "can't read address family",
		"PROXY TCP4 192.0.2.1 192.0.2.2 040000 25\r\n":     "invalid port",
		"PROXY TCP4 192.0.2.1 192.0.2.2 40000 025\r\n":     "invalid port",
		"PROXY TCP4 192.0.2.1 192.0.2.2 65536 25\r\n":      "invalid port",
		"PROXY TCP4 192.0.2.1 192.0.2.2 40000 99999\r\n":   "invalid port",
		"PROXY TCP4 192.0.2.1 192.0.2.2 -1 25\r\n":         "invalid port",
		"PROXY TCP4 192.0.2.1 192.0.2.2 +1 25\r\n":         "invalid port",
		"PROXY TCP4 192.0.2.1 192.0.2.2  25\r\n":           "invalid port",
		"PROXY TCP4 192.0.2.01 192.0.2.2 40000 25\r\n":     "invalid address",
		"PROXY TCP4 192.0.2.256 192.0.2.2 40000 25\r\n":    "invalid address",
		"PROXY TCP4 192.0.2.1 2001:db8::2 40000 25\r\n":    "invalid address",
		"PROXY TCP4 2001:db8::1 2001:db8::2 40000 25\r\n":  "invalid address",
		"PROXY TCP6 2001:db8::1 192.0.2.2 40000 25\r\n":    "invalid address",
		"PROXY TCP6 192.0.2.1 192.0.2.2 40000 25\r\n":      "invalid address",
		"PROXY TCP6 fe80::1%eth0 fe80::2 40000 25\r\n":     "invalid address",
		"PROXY TCP6 2001::db8::1 2001:db8::2 40000 25\r\n": "invalid address",
		signature + "\x10":                                    "0x10, not",
		signature + "\x31":                                    "0x31, not",
		signature + "\x22":                                    "0x22, not",
		signature + "\x21\x11\xff\xff":                        "of 65551 octets; at most 4096",
		signature + "\x20\x00\x0f\xf1":                        "of 4097 octets; at most 4096",
		v2(0x21, 0x11, tcp4[:11]):                             "invalid length",
		v2(0x21, 0x11, ""):                                    "invalid length",
		v2(0x21, 0x21, tcp4):                                  "invalid length",
		v2(0x21, 0x31, tcp6):                                  "invalid length",
		v2(0x21, 0x13, tcp4):                                  "unsupported address family",
		v2(0x21, 0x41, tcp6):                                  "unsupported address family",
		v2(0x21, 0x01, tcp6):                                  "unsupported address family",
		v2(0x21, 0x11, tcp4+"\x04"):                           "truncated TLV",
		v2(0x21, 0x11, tcp4+"\x04\x00"):                       "truncated TLV",
		v2(0x21, 0x11, tcp4+"\x04\x00\x01"):                   "truncated TLV",
		v2(0x21, 0x00, "abcd"):                                "truncated TLV",
		v2(0x21, 0x11, tcp4+tlv(0x05, "id")+"\x05\x00\x09id"): "truncated TLV",
		v2(0x21, 0x11, tcp4+tlv(0x03, "\x00\x00\x00\x00")):    "would be right",
		v2(0x21, 0x11, tcp4+tlv(0x03, "\x00\x00\x00")):        "CRC32C of 3 octets",
		v2(0x21, 0x00, tlv(0x03, "\x00\x00\x00\x00")):         "would be right",
		string(wrong):                                         "would be right",
	} {
		_, _, err := Read(strings.NewReader(text))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.80q: %v, want %q", text, err, want)
		}
		if err != nil && !errors.Is(err, ErrHeader) && !errors.Is(err, ErrNoHeader) {
			t.Errorf("%.80q: %v is neither", text, err)
		}
	}
}

// TestEarly: what cannot become a header is known at the first wrong octet, without waiting for more.
func TestEarly(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"E", "PE", "PROXX", "\r\r", signature[:11] + "x", signature + "\x00"} {
		if _, err := Frame([]byte(text[:len(text)-1])); err != nil {
			t.Errorf("%q: %v", text[:len(text)-1], err)
		}
		if _, err := Frame([]byte(text)); err == nil {
			t.Errorf("%q may still become one", text)
		}
	}
}

func TestCutShort(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"":                          "no PROXY header came: EOF",
		"PROXY TCP4 192.0.2.1 ":     "ends after 21 octets: unexpected EOF",
		v2(0x21, 0x11, tcp4)[:20]:   "ends after 20 octets",
		v2(0x20, 0x00, "four")[:18]: "ends after 18 octets",
	} {
		if _, _, err := Read(strings.NewReader(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
	if _, err := Parse([]byte("PROXY UNKNOWN\r\nEHLO")); err == nil {
		t.Error("Parse took more than a header")
	}
}

func TestAppend(t *testing.T) {
	t.Parallel()
	four, six := ends("192.0.2.1:40000", "192.0.2.2:25"), ends("[2001:db8::1]:40000", "[2001:db8::2]:25")
	mixed := ends("192.0.2.1:40000", "[2001:db8::2]:25")
	mapped := "\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\xff\xff\xc0\x00\x02\x01"
	long := strings.Repeat("x", MaxHeader-prefixV2-12-3)
	for _, c := range []struct {
		h      Header
		v1, v2 string
	}{
		{four, "PROXY TCP4 192.0.2.1 192.0.2.2 40000 25\r\n", v2(0x21, 0x11, tcp4)},
		{six, "PROXY TCP6 2001:db8::1 2001:db8::2 40000 25\r\n", v2(0x21, 0x21, tcp6)},
		{ends("[::ffff:192.0.2.1]:40000", "[::ffff:192.0.2.2]:25"), "PROXY TCP4 192.0.2.1 192.0.2.2 40000 25\r\n", v2(0x21, 0x11, tcp4)},
		{ends("[2001:db8::1%eth0]:40000", "[2001:db8::2]:25"), "PROXY TCP6 2001:db8::1 2001:db8::2 40000 25\r\n", v2(0x21, 0x21, tcp6)},
		{mixed, "PROXY TCP6 ::ffff:c000:0201 2001:db8::2 40000 25\r\n", v2(0x21, 0x21, mapped+to6+"\x9c\x40\x00\x19")},
		{Header{}, "PROXY UNKNOWN\r\n", v2(0x20, 0, "")},
		{Header{Local: true}, "PROXY UNKNOWN\r\n", v2(0x20, 0, "")},
		{Header{Source: four.Source}, "PROXY UNKNOWN\r\n", v2(0x20, 0, "")},
		{with(four, proxyproto.TLV{Type: 2, Value: []byte("mail.test")}), "PROXY TCP4 192.0.2.1 192.0.2.2 40000 25\r\n", v2(0x21, 0x11, tcp4+tlv(2, "mail.test"))},
		{with(four, proxyproto.TLV{Type: 3, Value: []byte("old")}, proxyproto.TLV{Type: 3}), "PROXY TCP4 192.0.2.1 192.0.2.2 40000 25\r\n", summed(v2(0x21, 0x11, tcp4+tlv(3, "\x00\x00\x00\x00")))},
		{with(four, proxyproto.TLV{Type: 1, Value: []byte(long + "x")}), "PROXY TCP4 192.0.2.1 192.0.2.2 40000 25\r\n", v2(0x21, 0x11, tcp4)},
		{with(four, proxyproto.TLV{Type: 1, Value: []byte(long)}, proxyproto.TLV{Type: 3}), "PROXY TCP4 192.0.2.1 192.0.2.2 40000 25\r\n", v2(0x21, 0x11, tcp4+tlv(1, long))},
	} {
		if got := string(c.h.Append([]byte("before"), 1)); got != "before"+c.v1 {
			t.Errorf("%.100v: version 1 %q", c.h, got)
		}
		if got := string(c.h.Append([]byte("before"), 2)); got != "before"+c.v2 {
			t.Errorf("%.100v: version 2 %q", c.h, got)
		}
	}
}

// TestAsTheLibrary: what we write is what the library writes.
func TestAsTheLibrary(t *testing.T) {
	t.Parallel()
	for _, h := range []Header{ends("192.0.2.1:40000", "192.0.2.2:25"), ends("[2001:db8::1]:40000", "[2001:db8::2]:25")} {
		for _, version := range []byte{1, 2} {
			theirs := proxyproto.HeaderProxyFromAddrs(version, net.TCPAddrFromAddrPort(h.Source), net.TCPAddrFromAddrPort(h.Destination))
			if version == 2 {
				h.TLVs = []proxyproto.TLV{{Type: 5, Value: []byte("id")}}
				if err := theirs.SetTLVs(h.TLVs); err != nil {
					t.Fatal(err)
				}
			}
			want, err := theirs.Format()
			if err != nil {
				t.Fatal(err)
			}
			if got := h.Append(nil, int(version)); !bytes.Equal(got, want) {
				t.Errorf("%q instead of %q", got, want)
			}
		}
	}
}

// FuzzFrame: a header that is found is found again at each split, never before its end and never longer than allowed.
func FuzzFrame(f *testing.F) {
	for text := range good() {
		f.Add([]byte(text + "EHLO x\r\n"))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		n, err := Frame(b)
		if n < 0 || n > len(b) || n > MaxHeader || n > 0 && err != nil || n == 0 && err == nil && len(b) >= MaxHeader {
			t.Fatalf("%q: %d, %v", b, n, err)
		}
		for at := range n {
			if early, err := Frame(b[:at]); early != 0 || err != nil {
				t.Fatalf("%q: of %d octets %d, %v", b, at, early, err)
			}
		}
	})
}

// FuzzParse: what is understood can be written and is understood again, in both versions.
func FuzzParse(f *testing.F) {
	for text := range good() {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		h, err := Parse(b)
		if err != nil {
			return
		}
		if h.Local == h.Source.IsValid() || h.Local == h.Destination.IsValid() {
			t.Fatalf("%q: %+v", b, h)
		}
		for version := 1; version <= 2; version++ {
			again, err := Parse(h.Append(nil, version))
			if err != nil || again.Source != h.Source || again.Destination != h.Destination || again.Local != h.Local {
				t.Fatalf("%q: version %d: %+v, %v", b, version, again, err)
			}
		}
	})
}

func BenchmarkParse(b *testing.B) {
	text := []byte(v2(0x21, 0x11, tcp4))
	for b.Loop() {
		if _, err := Parse(text); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkAppend(b *testing.B) {
	h, room := ends("192.0.2.1:40000", "192.0.2.2:25"), make([]byte, 0, 128)
	for b.Loop() {
		room = h.Append(room[:0], 2)
	}
}
