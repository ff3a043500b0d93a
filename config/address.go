// SPDX-License-Identifier: MIT

package config

import (
	"fmt"
	"net"
	"net/netip"
	"path/filepath"
	"strconv"
	"strings"
)

// Address is where a server listens: host:port, inet:host:port, [2001:db8::1]:port, :port (every address of the machine)
// or unix:/path.
type Address struct {
	Network string // "tcp" or "unix", as net.Dial takes it
	Host    string // a name, or an IP address without brackets; "" is every address, for a listener
	Port    int    // 0 is any free port, for a listener
	Path    string // of a unix socket
}

// UnmarshalText reads an address.
func (a *Address) UnmarshalText(text []byte) error {
	s := string(text)
	if path, ok := strings.CutPrefix(s, "unix:"); ok {
		if !filepath.IsAbs(path) || strings.ContainsRune(path, 0) {
			return fmt.Errorf("%q: a socket needs its whole path: unix:/run/dovecot/lmtp", s)
		}
		*a = Address{Network: "unix", Path: path}
		return nil
	}
	host, port, err := splitHostPort(strings.TrimPrefix(s, "inet:"))
	if err != nil {
		return fmt.Errorf("%q is not an address: %w", s, err)
	}
	*a = Address{Network: "tcp", Host: host, Port: port}
	return nil
}

func splitHostPort(s string) (string, int, error) {
	host, port, err := net.SplitHostPort(s)
	if err != nil {
		if ip, ok := netip.ParseAddr(s); ok == nil && ip.Is6() {
			return "", 0, fmt.Errorf("an IPv6 address stands in brackets, and the port behind it: [%s]:25", s)
		}
		return "", 0, fmt.Errorf("write it as host:port, [2001:db8::1]:port or unix:/path")
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		return "", 0, fmt.Errorf("the port must be a number up to 65535, not %q", port)
	}
	bracketed := strings.HasPrefix(s, "[")
	if _, err := netip.ParseAddr(host); err == nil || host == "" {
		return host, int(n), nil
	}
	if bracketed || !hostname(host) {
		return "", 0, fmt.Errorf("%q is not a host name", host)
	}
	return strings.ToLower(host), int(n), nil
}

// hostname reports whether s looks like a name that DNS or /etc/hosts may hold; underscores occur in the latter.
func hostname(s string) bool {
	if s == "" || len(s) > 253 {
		return false
	}
	for label := range strings.SplitSeq(strings.TrimSuffix(s, "."), ".") {
		if label == "" || len(label) > 63 || strings.Trim(label, letters) != "" {
			return false
		}
	}
	return true
}

const letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_"

// IsZero reports an address that was not written.
func (a Address) IsZero() bool { return a == Address{} }

// Covers reports that whoever listens at a has b too, so that nobody else can listen there: no host is every address, and 0.0.0.0
// and [::] are those of their own family.
func (a Address) Covers(b Address) bool {
	if a.Network != b.Network || a.Port != b.Port || a.Path != b.Path {
		return false
	}
	if a.Host == b.Host || a.Host == "" {
		return true
	}
	wide, err := netip.ParseAddr(a.Host)
	if err != nil {
		return false
	}
	one, err := netip.ParseAddr(b.Host)
	return err == nil && (wide == one || wide.IsUnspecified() && wide.Is4() == one.Is4())
}

// Dial is the address as net.Dial and net.Listen take it.
func (a Address) Dial() (network, address string) {
	if a.Network == "unix" {
		return a.Network, a.Path
	}
	return a.Network, net.JoinHostPort(a.Host, strconv.Itoa(a.Port))
}

// String is the shortest form that UnmarshalText takes; "" for the zero Address.
func (a Address) String() string {
	switch a.Network {
	case "":
		return ""
	case "unix":
		return "unix:" + a.Path
	}
	_, s := a.Dial()
	return s
}

// MarshalText is String.
func (a Address) MarshalText() ([]byte, error) { return []byte(a.String()), nil }
