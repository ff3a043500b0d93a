// SPDX-License-Identifier: MIT

package mail

import "net/netip"

// Path is a parsed reverse- or forward-path (RFC 5321 4.1.2): local part unquoted, domain in lower-case A-labels or an
// address literal. Comparable; only ParsePath and ParseAddress make one. Zero is <>.
type Path struct{ local, domain string }

// ParsePath parses the wire form with its angle brackets: "<>", "<postmaster>" (a Path without a domain), "<a@b>",
// `<"a b"@c>`; source routes are dropped. Non-ASCII is taken only if utf8 (SMTPUTF8 was given). Errors wrap ErrPath or
// ErrNeedUTF8. Limits: local part 255 octets, path 320.
func ParsePath(wire string, utf8 bool) (Path, error) { panic("todo") }

// ParseAddress parses an address as it stands in a table or on a command line, without brackets; UTF-8 is taken.
func ParseAddress(s string) (Path, error) { panic("todo") }

// MakePath joins parts that come from parsed Paths or tables (aliases, SRS): local unquoted. It checks what ParsePath does.
func MakePath(local, domain string) (Path, error) { panic("todo") }

// ParseDomain returns domain in lower-case A-labels (UTS 46), or the address literal in its canonical form.
func ParseDomain(s string) (string, error) { panic("todo") }

func (p Path) Local() string  { return p.local }  // unquoted
func (p Path) Domain() string { return p.domain } // "" only for <> and <postmaster>
func (p Path) IsNull() bool   { return p == Path{} }

// WithDomain returns the path in another domain, which ParseDomain must have made.
func (p Path) WithDomain(domain string) Path { return Path{p.local, domain} }

// Literal is the address if the domain is an address literal.
func (p Path) Literal() (netip.Addr, bool) { panic("todo") }

// NeedsUTF8 reports a local part with UTF-8.
func (p Path) NeedsUTF8() bool { panic("todo") }

// String is the address with the local part quoted where it must be, without brackets; "" for <>.
func (p Path) String() string { panic("todo") }

// Wire is "<" + String() + ">".
func (p Path) Wire() string { return "<" + p.String() + ">" }

// MarshalText is String; UnmarshalText parses it again.
func (p Path) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// UnmarshalText takes what MarshalText made.
func (p *Path) UnmarshalText(b []byte) error { panic("todo") }
