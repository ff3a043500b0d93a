// SPDX-License-Identifier: MIT

package config

import (
	"cmp"
	"errors"
	"fmt"
	"net/netip"
	"path/filepath"
	"strings"
	"unicode/utf8"

	"golang.org/x/net/idna"
)

// Path is the name of a file or folder. The decoder makes a relative one relative to the folder of the cluster file.
type Path string

// UnmarshalText takes any name that a file can have.
func (p *Path) UnmarshalText(text []byte) error {
	if len(text) == 0 {
		return errors.New("is empty; it names a file")
	}
	if strings.ContainsAny(string(text), "\x00\n") {
		return errors.New("no file has a NUL or a line break in its name")
	}
	*p = Path(text)
	return nil
}

func (p Path) in(dir string) Path {
	if filepath.IsAbs(string(p)) {
		return Path(filepath.Clean(string(p)))
	}
	return Path(filepath.Join(dir, string(p)))
}

// String is the name.
func (p Path) String() string { return string(p) }

// MarshalText is String.
func (p Path) MarshalText() ([]byte, error) { return []byte(p), nil }

// Domain is a domain name in lower case, its labels in ASCII (A-labels, RFC 5890 2.3.2.1), without a trailing dot.
type Domain string

// UnmarshalText reads a domain; one in Unicode is converted by UTS 46, as browsers and mail clients do.
func (d *Domain) UnmarshalText(text []byte) error {
	profile := idna.New(idna.MapForLookup(), idna.BidiRule(), idna.StrictDomainName(true), idna.VerifyDNSLength(true))
	ascii, err := profile.ToASCII(strings.TrimSuffix(string(text), "."))
	if _, isIP := netip.ParseAddr(cmp.Or(ascii, string(text))); isIP == nil {
		return fmt.Errorf("%q is an IP address; a domain name is wanted", text)
	}
	if err != nil || !utf8.Valid(text) || strings.HasSuffix(ascii, ".") {
		return fmt.Errorf("%q is not a domain name", text)
	}
	*d = Domain(ascii)
	return nil
}

// String is the name.
func (d Domain) String() string { return string(d) }

// MarshalText is String.
func (d Domain) MarshalText() ([]byte, error) { return []byte(d), nil }
