// SPDX-License-Identifier: MIT

package mail

import (
	"fmt"
	"strings"
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
	case isASCII(wire) && strings.EqualFold(wire, "<postmaster>"): // RFC 5321 4.5.1; U+017F would fold to an s
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

// pathError never repeats the address: its octets are not yet known to be fit for a log.
func pathError(what string) error { return fmt.Errorf("%w: %s", ErrPath, what) }

func isASCII(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}
