// SPDX-License-Identifier: MIT

package dnsbl

import (
	"net/netip"
	"strconv"
	"strings"
)

// Question names, with the final dot that makes them canonical. "" means that nothing is to be asked.

// name is where the zone answers for the ask.
func (a Ask) name() string {
	if a.Addr.IsValid() {
		return addrName(a.Addr, a.Zone.Domain)
	}
	domain := a.Name[strings.LastIndexByte(a.Name, '@')+1:]
	if !askable(domain) {
		return ""
	}
	return domain + "." + a.Zone.Domain + "."
}

// addrName reverses an address: octets in decimal, or nibbles (RFC 5782 2.1, 2.4).
func addrName(addr netip.Addr, zone string) string {
	b := make([]byte, 0, 80)
	if addr = addr.Unmap(); addr.Is4() {
		four := addr.As4()
		for i := 3; i >= 0; i-- {
			b = append(strconv.AppendUint(b, uint64(four[i]), 10), '.')
		}
	} else {
		b = nibbles(b, addr.As16())
	}
	return string(append(append(b, zone...), '.'))
}

func nibbles(b []byte, addr [16]byte) []byte {
	const hex = "0123456789abcdef"
	for i := 15; i >= 0; i-- {
		b = append(b, hex[addr[i]&15], '.', hex[addr[i]>>4], '.')
	}
	return b
}

// askable decides as Postfix does (smtpd_check.c, find_dnsxl_domain): address literals and what is no host name are not
// asked about, nor is a name that ends in a number, since lists of names refuse questions about addresses.
func askable(domain string) bool {
	last := domain[strings.LastIndexByte(domain, '.')+1:]
	return strings.Trim(last, "0123456789") != "" && validName(domain)
}

// validName is Postfix's valid_hostname: labels of letters, digits, "_" and inner hyphens, not all of them numbers.
func validName(name string) bool {
	if name == "" || len(name) > 253 {
		return false
	}
	numeric := true
	for label := range strings.SplitSeq(name, ".") {
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' {
			return false
		}
		for _, c := range []byte(label) {
			switch {
			case '0' <= c && c <= '9':
			case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', c == '-', c == '_':
				numeric = false
			default:
				return false
			}
		}
	}
	return !numeric
}
