// SPDX-License-Identifier: MIT

package mail

import (
	"net/netip"
	"strings"

	"golang.org/x/net/idna"
)

// Limits of DNS names (RFC 1035 2.3.4), in octets of text.
const (
	maxDomain = 253
	maxLabel  = 63
)

// ParseDomain returns domain in lower-case A-labels (UTS 46), or the address literal in its canonical form.
func ParseDomain(s string) (string, error) {
	if strings.HasPrefix(s, "[") {
		return parseLiteral(s)
	}
	if len(s) > 4*maxDomain {
		return "", pathError("domain too long")
	}
	if !isASCII(s) {
		ascii, err := lookupProfile().ToASCII(s)
		if err != nil {
			return "", pathError("bad international domain")
		}
		s = ascii
	}
	s = strings.ToLower(s)
	return s, checkDomain(s)
}

// lookupProfile maps case and width before it encodes, and keeps the four letters that IDNA 2003 would fold away.
func lookupProfile() *idna.Profile {
	return idna.New(idna.MapForLookup(), idna.BidiRule(), idna.Transitional(false))
}

// checkDomain checks a name in ASCII. It takes "_" inside as Postfix does: real hosts have it, and no parser trips on it. A
// last label of digits is refused: 192.0.2.1 without brackets is an address that someone forgot to mark (RFC 3696 2).
func checkDomain(s string) error {
	if s == "" || len(s) > maxDomain {
		return pathError("domain empty or longer than 253 octets")
	}
	last := ""
	for label := range strings.SplitSeq(s, ".") {
		if !isLabel(label) {
			return pathError("bad domain")
		}
		last = label
	}
	if strings.Trim(last, "0123456789") == "" {
		return pathError("domain ends in a number; an address literal needs brackets")
	}
	return nil
}

// isLabel is letters, digits, "_" and inner hyphens.
func isLabel(s string) bool {
	if s == "" || len(s) > maxLabel || s[0] == '-' || s[len(s)-1] == '-' {
		return false
	}
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case 'a' <= c && c <= 'z', '0' <= c && c <= '9', c == '-', c == '_':
		default:
			return false
		}
	}
	return true
}

// parseLiteral takes [192.0.2.1] and [IPv6:2001:db8::1] (RFC 5321 4.1.3). No other kind of literal was ever registered.
func parseLiteral(s string) (string, error) {
	inner, closed := strings.CutSuffix(s[1:], "]")
	v6 := len(inner) > 5 && strings.EqualFold(inner[:5], "IPv6:")
	if v6 {
		inner = inner[5:]
	}
	addr, err := netip.ParseAddr(inner)
	if err != nil || !closed || v6 != addr.Is6() || addr.Zone() != "" {
		return "", pathError("bad address literal")
	}
	return Literal(addr), nil
}

// Literal writes an address as RFC 5321 4.1.3 has it: "[192.0.2.1]", "[IPv6:2001:db8::1]".
func Literal(addr netip.Addr) string {
	if addr.Is4() {
		return "[" + addr.String() + "]"
	}
	return "[IPv6:" + addr.WithZone("").String() + "]"
}

// literalAddr reads what Literal wrote.
func literalAddr(domain string) (netip.Addr, bool) {
	inner, found := strings.CutPrefix(domain, "[")
	if !found {
		return netip.Addr{}, false
	}
	addr, err := netip.ParseAddr(strings.TrimPrefix(strings.TrimSuffix(inner, "]"), "IPv6:"))
	return addr.Unmap(), err == nil
}
