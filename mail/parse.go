// SPDX-License-Identifier: MIT

package mail

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Limits on octets. RFC 5321 4.5.3.1 asks for 64 and 256 at least; SRS and VERP addresses are longer in practice.
const (
	maxLocal = 255
	maxPath  = 320
	maxWire  = 2048 // with source route and quoting, before anything is looked at
)

// ParsePath parses the wire form with its angle brackets: "<>", "<postmaster>" (a Path without a domain), "<a@b>",
// `<"a b"@c>`; source routes are dropped. Non-ASCII is taken only if utf8 (SMTPUTF8 was given). Errors wrap ErrPath or
// ErrNeedUTF8. Limits: local part 255 octets, path 320.
func ParsePath(wire string, utf8 bool) (Path, error) {
	if len(wire) < 2 || wire[0] != '<' || wire[len(wire)-1] != '>' {
		return Path{}, pathError("no angle brackets")
	}
	if len(wire) > maxWire {
		return Path{}, pathError("too long")
	}
	inner, err := dropRoute(wire[1 : len(wire)-1])
	switch {
	case err != nil:
		return Path{}, err
	case wire == "<>":
		return Path{}, nil
	case strings.EqualFold(wire, "<postmaster>"): // RFC 5321 4.5.1
		return Path{local: "postmaster"}, nil
	}
	p, err := bounded(parseMailbox(inner))
	if err == nil && !utf8 && !isASCII(wire) {
		return Path{}, ErrNeedUTF8
	}
	return p, err
}

// ParseAddress parses an address as it stands in a table or on a command line, without brackets; UTF-8 is taken.
func ParseAddress(s string) (Path, error) {
	if len(s) > maxWire {
		return Path{}, pathError("too long")
	}
	return bounded(parseMailbox(s))
}

// MakePath joins parts that come from parsed Paths or tables (aliases, SRS): local unquoted. It checks what ParsePath does.
func MakePath(local, domain string) (Path, error) { return bounded(makePath(local, domain)) }

// bounded refuses a path that is too long to be taken from a stranger. UnmarshalText does not ask: WithDomain may have made a
// longer one of a good one, and what was queued must be readable.
func bounded(p Path, err error) (Path, error) {
	if err == nil && len(p.String()) > maxPath {
		return Path{}, pathError("longer than 320 octets")
	}
	return p, err
}

func makePath(local, domain string) (Path, error) {
	if err := checkLocal(local); err != nil {
		return Path{}, err
	}
	domain, err := ParseDomain(domain)
	if err != nil {
		return Path{}, err
	}
	return Path{local, domain}, nil
}

// dropRoute takes a source route ("@a,@b:", obsolete, RFC 5321 appendix C) off the front. Its domains must be well-formed.
func dropRoute(s string) (string, error) {
	if !strings.HasPrefix(s, "@") {
		return s, nil
	}
	// A literal in a route may hold colons, so cut at the first colon outside brackets.
	end, inside := -1, false
	for i := 0; i < len(s) && end < 0; i++ {
		switch s[i] {
		case '[':
			inside = true
		case ']':
			inside = false
		case ':':
			if !inside {
				end = i
			}
		}
	}
	if end < 0 {
		return "", pathError("source route without a mailbox")
	}
	for hop := range strings.SplitSeq(s[:end], ",") {
		domain, found := strings.CutPrefix(hop, "@")
		if !found {
			return "", pathError("bad source route")
		}
		if _, err := ParseDomain(domain); err != nil {
			return "", err
		}
	}
	return s[end+1:], nil
}

// parseMailbox parses Local-part "@" ( Domain / address-literal ).
func parseMailbox(s string) (Path, error) {
	local, rest, err := cutLocal(s)
	if err != nil {
		return Path{}, err
	}
	domain, found := strings.CutPrefix(rest, "@")
	if !found {
		return Path{}, pathError("no domain")
	}
	return makePath(local, domain)
}

// cutLocal takes a Dot-string or a Quoted-string off the front and returns it unquoted. It never looks for the last "@":
// in `"a@b"@c` only the grammar says which one counts.
func cutLocal(s string) (local, rest string, err error) {
	if strings.HasPrefix(s, `"`) {
		return unquote(s)
	}
	i := strings.IndexByte(s, '@')
	if i < 0 {
		return "", "", pathError("no domain")
	}
	if !isDotString(s[:i]) {
		return "", "", pathError("bad local part")
	}
	return s[:i], s[i:], nil
}

// unquote reads a Quoted-string: printable ASCII or UTF-8, a backslash before any printable ASCII.
func unquote(s string) (local, rest string, err error) {
	var b strings.Builder
	for i := 1; i < len(s); i++ {
		switch c := s[i]; {
		case c == '"':
			return b.String(), s[i+1:], nil
		case c == '\\':
			i++
			if i == len(s) || s[i] < ' ' || s[i] > '~' {
				return "", "", pathError("bad quoted pair")
			}
			b.WriteByte(s[i])
		default:
			b.WriteByte(c) // checkLocal refuses what may not stand here
		}
	}
	return "", "", pathError("quote without an end")
}

// checkLocal checks an unquoted local part. An empty one ("" in quotes) is grammatical, but names nobody and would look
// like the @domain key of a table; RFC 5321 4.1.2 advises against it, and it is refused.
func checkLocal(local string) error {
	switch {
	case local == "":
		return pathError("empty local part")
	case len(local) > maxLocal:
		return pathError("local part longer than 255 octets")
	case !utf8.ValidString(local):
		return pathError("not valid UTF-8")
	case strings.ContainsFunc(local, forbidden):
		return pathError("control character")
	}
	return nil
}

// forbidden are the controls of ASCII and Unicode, and the two separators that some software takes for a line end.
func forbidden(r rune) bool {
	return unicode.IsControl(r) || r == '\u2028' || r == '\u2029'
}

// isDotString reports atoms with single dots between them: what needs no quotes.
func isDotString(s string) bool {
	dot := true // as if a dot stood before
	for i := 0; i < len(s); i++ {
		if s[i] == '.' {
			if dot {
				return false
			}
			dot = true
			continue
		}
		if !isAtext(s[i]) {
			return false
		}
		dot = false
	}
	return !dot
}

// isAtext is RFC 5322 3.2.3 with the octets of UTF-8 (RFC 6531 3.3).
func isAtext(c byte) bool {
	switch {
	case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c >= utf8.RuneSelf:
		return true
	}
	return strings.IndexByte("!#$%&'*+-/=?^_`{|}~", c) >= 0
}

func isASCII(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// pathError never repeats the address: its octets are not yet known to be fit for a log.
func pathError(what string) error { return fmt.Errorf("%w: %s", ErrPath, what) }
