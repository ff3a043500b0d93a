// SPDX-License-Identifier: MIT

package spf

import (
	"errors"
	"net/netip"
	"strings"
)

// directive is one mechanism with its qualifier (RFC 7208 4.6.1).
type directive struct {
	text   string
	result Status
	kind   string // lower-case
	target macros // nil: the domain itself
	net    netip.Prefix
	bits4  int
	bits6  int
}

// parse reads a mechanism (RFC 7208 5).
func (d *directive) parse(term string) error {
	end := strings.IndexAny(term, ":/")
	if end < 0 {
		end = len(term)
	}
	rest := term[end:]
	switch d.kind = strings.ToLower(term[:end]); d.kind {
	case "all":
		return nothing(rest)
	case "include", "exists":
		return d.domain(rest)
	case "ptr":
		if rest == "" {
			return nil
		}
		return d.domain(rest)
	case "a", "mx":
		rest, err := d.cutBits(rest)
		if err != nil || rest == "" {
			return err
		}
		return d.domain(rest)
	case "ip4", "ip6":
		return d.network(rest)
	}
	return errors.New("no such mechanism")
}

func nothing(rest string) error {
	if rest != "" {
		return errors.New("takes no argument")
	}
	return nil
}

func (d *directive) domain(rest string) (err error) {
	spec, found := strings.CutPrefix(rest, ":")
	if !found {
		return errors.New("no domain")
	}
	d.target, err = domainSpec(spec)
	return err
}

// cutBits takes "/24//64" off the end (RFC 7208 5.6).
func (d *directive) cutBits(rest string) (string, error) {
	var err error
	if i := strings.LastIndex(rest, "//"); i >= 0 && digits(rest[i+2:]) {
		if d.bits6, err = prefixLength(rest[i+2:], 128); err != nil {
			return "", err
		}
		rest = rest[:i]
	}
	if i := strings.LastIndexByte(rest, '/'); i >= 0 && digits(rest[i+1:]) {
		d.bits4, err = prefixLength(rest[i+1:], 32)
		rest = rest[:i]
	}
	return rest, err
}

func (d *directive) network(rest string) error {
	text, found := strings.CutPrefix(rest, ":")
	if !found {
		return errors.New("no network")
	}
	text, length, cut := strings.Cut(text, "/")
	addr, err := netip.ParseAddr(text)
	if err != nil || addr.Is4() != (d.kind == "ip4") || addr.Zone() != "" {
		return errors.New("not a network of this family")
	}
	bits := addr.BitLen()
	if cut {
		if bits, err = prefixLength(length, bits); err != nil {
			return err
		}
	}
	d.net, err = addr.Prefix(bits)
	return err
}

// prefixLength has no leading zeros.
func prefixLength(s string, most int) (int, error) {
	n := 0
	for i := range len(s) {
		if !isDigit(s[i]) || i > 2 || i == 1 && n == 0 {
			return 0, errors.New("bad prefix length")
		}
		n = n*10 + int(s[i]-'0')
	}
	if s == "" || n > most {
		return 0, errors.New("bad prefix length")
	}
	return n, nil
}

func digits(s string) bool { return s != "" && strings.Trim(s, "0123456789") == "" }
func isDigit(c byte) bool  { return '0' <= c && c <= '9' }
func isAlpha(c byte) bool  { return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' }
