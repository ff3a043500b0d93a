// SPDX-License-Identifier: MIT

package policy

import (
	"net/netip"
	"strings"

	"posthouse/mail"
)

// validHelo takes what Postfix's reject_invalid_helo_hostname takes: a host name of letters, digits, hyphens, underscores and
// dots that is not all numbers, an address, or an address literal.
func validHelo(name string) bool {
	if strings.HasPrefix(name, "[") {
		return literal(name)
	}
	if _, err := netip.ParseAddr(name); err == nil {
		return true
	}
	return hostname(name)
}

func hostname(name string) bool {
	name = strings.TrimSuffix(name, ".")
	if name == "" || len(name) > 255 || strings.Trim(name, "0123456789.") == "" {
		return false
	}
	for label := range strings.SplitSeq(name, ".") {
		if !validLabel(label) {
			return false
		}
	}
	return true
}

func validLabel(label string) bool {
	if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' {
		return false
	}
	return !strings.ContainsFunc(label, func(r rune) bool {
		return r >= 0x80 || !(r == '-' || r == '_' || r >= '0' && r <= '9' || r|0x20 >= 'a' && r|0x20 <= 'z')
	})
}

// fqdn takes a host name with a dot in it, or an address literal. A bare address is neither.
func fqdn(name string) bool {
	return literal(name) || hostname(name) && strings.Contains(strings.TrimSuffix(name, "."), ".")
}

// literal takes [192.0.2.1] and [IPv6:2001:db8::1] (RFC 5321 4.1.3).
func literal(name string) bool {
	_, err := mail.ParseDomain(name)
	return err == nil && strings.HasPrefix(name, "[")
}

// numeric reports a name whose last label is a number: no domain, but an address or what is left of one.
func numeric(name string) bool {
	name = strings.TrimSuffix(name, ".")
	return strings.Trim(name[strings.LastIndexByte(name, '.')+1:], "0123456789") == ""
}
