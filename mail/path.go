// SPDX-License-Identifier: MIT

package mail

import (
	"errors"
	"net/netip"
)

// ErrPath is what every error of the parsers of this package wraps, unless it is ErrNeedUTF8.
var ErrPath = errors.New("not a valid mail address")

// ErrNeedUTF8 is a well-formed address that may stand only where SMTPUTF8 was given (RFC 6531 3.3).
var ErrNeedUTF8 = errors.New("non-ASCII address without SMTPUTF8")

// Path is a parsed reverse- or forward-path (RFC 5321 4.1.2): local part unquoted, domain in lower-case A-labels or an
// address literal. Comparable; only ParsePath and its kin make one, so what stands in it cannot leave its brackets when
// it is written again. Zero is <>.
type Path struct{ local, domain string }

// Local is the local part without quotes, in the case it came in.
func (p Path) Local() string { return p.local }

// Domain is lower-case A-labels or a literal with its brackets; "" only for <> and <postmaster>.
func (p Path) Domain() string { return p.domain }

// IsNull reports <>, the reverse-path of bounces.
func (p Path) IsNull() bool { return p == Path{} }

// WithDomain returns the path in another domain, which ParseDomain must have made.
func (p Path) WithDomain(domain string) Path { return Path{p.local, domain} }

// Literal is the address if the domain is an address literal.
func (p Path) Literal() (netip.Addr, bool) { return literalAddr(p.domain) }

// NeedsUTF8 reports a local part with UTF-8. The domain never needs it: it is kept in A-labels.
func (p Path) NeedsUTF8() bool { return !isASCII(p.local) }

// String is the address with the local part quoted where it must be, without brackets; "" for <>.
func (p Path) String() string {
	switch {
	case p.domain == "":
		return p.local
	case isDotString(p.local):
		return p.local + "@" + p.domain
	}
	return quote(p.local) + "@" + p.domain
}

// Wire is "<" + String() + ">".
func (p Path) Wire() string { return "<" + p.String() + ">" }

// MarshalText is String.
func (p Path) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// UnmarshalText takes what MarshalText made.
func (p *Path) UnmarshalText(b []byte) error {
	switch s := string(b); s {
	case "", "postmaster":
		*p = Path{local: s}
		return nil
	default:
		parsed, err := parseMailbox(s)
		if err == nil {
			*p = parsed
		}
		return err
	}
}
