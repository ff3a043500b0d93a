// SPDX-License-Identifier: MIT

package dmarc

import "strings"

// Bounds of a record.
const (
	maxRecord = 8 << 10 // octets
	maxTags   = 100
)

// Record is a policy record (RFC 9989 4.7). Empty policies are not in it.
type Record struct {
	Policy       Policy // p=
	Subdomains   Policy // sp=
	NonExistent  Policy // np=
	StrictSPF    bool   // aspf=s
	StrictDKIM   bool   // adkim=s
	Testing      bool   // t=y
	PublicSuffix byte   // psd=: 'y', 'n' or 'u'
	Reports      bool   // rua= names somebody
	broken       bool   // p is missing or unreadable, or sp or np is
}

// ParseRecord reads a record; false: it is none for us, since it does not begin with v=DMARC1. Unknown tags and values that make no
// sense are passed over (RFC 9989 4.8). So is a tag that comes again: DKIM, whose syntax this is (4.7), would have the whole record
// ignored, but here an error behind v= costs no more than itself. Tags may be written in capitals.
func ParseRecord(text string) (Record, bool) {
	r := Record{PublicSuffix: 'u'}
	if len(text) > maxRecord {
		return r, false
	}
	version, rest, _ := strings.Cut(text, ";")
	name, value, found := strings.Cut(version, "=")
	if !found || !strings.EqualFold(trim(name), "v") || trim(value) != "DMARC1" {
		return r, false
	}
	seen := make(map[string]bool, 8)
	for tag := range strings.SplitSeq(rest, ";") {
		name, value, found := strings.Cut(tag, "=")
		if name = strings.ToLower(trim(name)); !found || seen[name] || len(seen) == maxTags {
			continue
		}
		seen[name] = true
		r.tag(name, strings.ToLower(trim(value)))
	}
	r.broken = r.broken || r.Policy == ""
	return r, true
}

func (r *Record) tag(name, value string) {
	switch name {
	case "p":
		r.Policy = r.policy(value)
	case "sp":
		r.Subdomains = r.policy(value)
	case "np":
		r.NonExistent = r.policy(value)
	case "aspf":
		r.StrictSPF = value == "s"
	case "adkim":
		r.StrictDKIM = value == "s"
	case "t":
		r.Testing = value == "y"
	case "psd":
		if value == "y" || value == "n" {
			r.PublicSuffix = value[0]
		}
	case "rua":
		r.Reports = hasAddress(value)
	}
}

func (r *Record) policy(value string) Policy {
	switch p := Policy(value); p {
	case Nothing, Quarantine, Reject:
		return p
	}
	r.broken = true
	return ""
}

// hasAddress reports a URI among several, of whatever scheme (RFC 9989 4.7, 4.10.1).
func hasAddress(list string) bool {
	for uri := range strings.SplitSeq(list, ",") {
		scheme, rest, found := strings.Cut(trim(uri), ":")
		if found && rest != "" && isScheme(scheme) && strings.Trim(rest, uriCharacters) == "" {
			return true
		}
	}
	return false
}

// uriCharacters are those of RFC 3986 2 in lower case, but for the comma, which parts addresses.
const uriCharacters = "abcdefghijklmnopqrstuvwxyz0123456789-._~:/?#[]@!$&'()*+;=%"

// isScheme: RFC 3986 3.1.
func isScheme(s string) bool {
	for i := range len(s) {
		switch c := s[i]; {
		case 'a' <= c && c <= 'z':
		case i > 0 && ('0' <= c && c <= '9' || c == '+' || c == '-' || c == '.'):
		default:
			return false
		}
	}
	return s != ""
}

func trim(s string) string { return strings.Trim(s, " \t") }

// applies reports a record that asks for anything. A broken one does if it wants reports, and then only for them: it is as if it
// were p=none (RFC 9989 4.10.1).
func (r *Record) applies() bool {
	if !r.broken {
		return true
	}
	r.Policy, r.Subdomains, r.NonExistent = Nothing, "", ""
	return r.Reports
}

// first is the first that is there.
func first(all ...Policy) Policy {
	for _, p := range all {
		if p != "" {
			return p
		}
	}
	return Nothing
}

// step is one step down for a domain that is testing (RFC 9989 4.7, t=).
func (r *Record) step(p Policy) Policy {
	switch {
	case !r.Testing:
		return p
	case p == Reject:
		return Quarantine
	}
	return Nothing
}
