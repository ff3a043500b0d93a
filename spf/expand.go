// SPDX-License-Identifier: MIT

package spf

import (
	"strconv"
	"strings"
)

const (
	maxName        = 253
	maxExplanation = 500
)

// name expands a domain-spec. A name that grew too long loses labels on the left (RFC 7208 7.3).
func (e *evaluation) name(m macros, domain string) string {
	s := strings.TrimSuffix(m.expand(func(c byte) string { return e.value(c, domain) }), ".")
	for len(s) > maxName {
		_, rest, found := strings.Cut(s, ".")
		if !found {
			return ""
		}
		s = rest
	}
	return s
}

// value is what a macro letter stands for (RFC 7208 7.2).
func (e *evaluation) value(letter byte, domain string) string {
	switch letter {
	case 's':
		return e.local + "@" + e.origin
	case 'l':
		return e.local
	case 'o':
		return e.origin
	case 'd':
		return domain
	case 'i':
		return e.dotted()
	case 'p':
		return e.clientName(domain)
	case 'v':
		if e.client.Is4() {
			return "in-addr"
		}
		return "ip6"
	case 'h':
		return e.helo
	case 'c':
		return e.client.String()
	case 'r':
		if e.Hostname == "" {
			return "unknown"
		}
		return e.Hostname
	}
	return strconv.FormatInt(e.Now().Unix(), 10)
}

// dotted is the address with a dot between its parts: octets, or nibbles in IPv6.
func (e *evaluation) dotted() string {
	if e.client.Is4() {
		return e.client.String()
	}
	const hex = "0123456789ABCDEF" // as the test suite has it
	b := make([]byte, 0, 64)
	for _, octet := range e.client.As16() {
		b = append(b, hex[octet>>4], '.', hex[octet&15], '.')
	}
	return string(b[:len(b)-1])
}

// clientName is the verified name that fits the domain best: itself, one below it, any (RFC 7208 7.3).
func (e *evaluation) clientName(domain string) string {
	domain = strings.ToLower(domain)
	best := "unknown"
	for i, name := range e.verified() {
		if name == domain {
			return name
		}
		below := strings.HasSuffix(name, "."+domain)
		if i == 0 || below && !strings.HasSuffix(best, "."+domain) {
			best = name
		}
	}
	return best
}

// explain finds the words of the domain for a fail (RFC 7208 6.2). Whatever goes wrong, there are none.
func (e *evaluation) explain(v verdict) string {
	if v.status != Fail || v.exp == nil {
		return ""
	}
	texts, err := e.texts(e.name(v.exp, v.domain))
	if err != nil || len(texts) != 1 || len(texts[0]) > maxRecord || !isText(texts[0]) {
		return ""
	}
	m, err := parseMacros(texts[0], true)
	if err != nil {
		return ""
	}
	return clean(m.expand(func(c byte) string { return e.value(c, v.domain) }), maxExplanation)
}

// isText reports printable ASCII.
func isText(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}

// clean makes a stranger's text fit for a reply and a log.
func clean(s string, most int) string {
	s = s[:min(len(s), most)]
	if isText(s) {
		return s
	}
	b := []byte(s)
	for i, c := range b {
		if c < ' ' || c > '~' {
			b[i] = '?'
		}
	}
	return string(b)
}
