// SPDX-License-Identifier: MIT

package relay

import (
	"fmt"
	"net/netip"
	"path/filepath"
	"strconv"
	"strings"

	"posthouse/mail"
)

// Route is a next hop. Comparable.
type Route struct {
	lmtp bool
	mx   bool   // host is a domain whose exchangers are meant; "": the recipient's own
	host string // name, or address without brackets
	port uint16
	path string // of a unix socket
}

// MX is the way to the mail exchangers of a domain, the recipients' own if it is "". An address literal is the host itself.
func MX(domain string) Route { return Route{mx: true, host: domain, port: 25} }

// ParseRoute reads the right-hand side of transport(5):
//
//	smtp:              the exchangers of the recipient's domain (relay: means the same)
//	smtp:example.test  the exchangers of another domain; smtp:example.test:2525 at another port
//	smtp:[mx.test]     that host, [192.0.2.1] and [ipv6:2001:db8::1] too; smtp:[mx.test]:2525
//	lmtp:unix:/path    LMTP at a socket; lmtp:inet:host:port, lmtp:host:port and lmtp:[host]:port by TCP
func ParseRoute(nexthop string) (Route, error) {
	transport, hop, ok := strings.Cut(nexthop, ":")
	if !ok || strings.HasPrefix(nexthop, "[") {
		transport, hop = "smtp", nexthop
	}
	var r Route
	var err error
	switch transport {
	case "", "smtp", "relay":
		r, err = parseSMTP(hop)
	case "lmtp":
		r, err = parseLMTP(hop)
	default:
		err = fmt.Errorf("transport %q is not known (smtp, relay, lmtp)", transport)
	}
	if err != nil {
		return Route{}, fmt.Errorf("next hop %q: %w", nexthop, err)
	}
	return r, nil
}

func parseSMTP(hop string) (Route, error) {
	if hop == "" {
		return MX(""), nil
	}
	host, port, bracketed, err := splitHop(hop, 25)
	if err != nil {
		return Route{}, err
	}
	_, notAddr := netip.ParseAddr(host)
	return Route{mx: !bracketed && notAddr != nil, host: host, port: port}, nil
}

func parseLMTP(hop string) (Route, error) {
	if path, ok := strings.CutPrefix(hop, "unix:"); ok {
		if !filepath.IsAbs(path) {
			return Route{}, fmt.Errorf("a socket needs its whole path")
		}
		return Route{lmtp: true, path: path}, nil
	}
	host, port, _, err := splitHop(strings.TrimPrefix(hop, "inet:"), 24)
	return Route{lmtp: true, host: host, port: port}, err
}

// splitHop takes host[:port] or [host][:port] apart.
func splitHop(hop string, port uint16) (host string, p uint16, bracketed bool, err error) {
	rest := ""
	if inner, ok := strings.CutPrefix(hop, "["); ok {
		bracketed = true
		if host, rest, ok = strings.Cut(inner, "]"); !ok {
			return "", 0, false, fmt.Errorf("the bracket is not closed")
		}
	} else if i := strings.LastIndexByte(hop, ':'); i >= 0 {
		host, rest = hop[:i], hop[i:]
	} else {
		host = hop
	}
	if !bracketed && strings.Contains(host, ":") {
		return "", 0, false, fmt.Errorf("an IPv6 address stands in brackets")
	}
	if host, err = cleanHost(host); err != nil {
		return "", 0, false, err
	}
	if rest == "" {
		return host, port, bracketed, nil
	}
	p, err = parsePort(rest)
	return host, p, bracketed, err
}

func cleanHost(host string) (string, error) {
	bare := host
	if len(host) > 5 && strings.EqualFold(host[:5], "ipv6:") {
		bare = host[5:]
	}
	if a, err := netip.ParseAddr(bare); err == nil {
		return a.Unmap().String(), nil
	}
	return mail.ParseDomain(host)
}

func parsePort(s string) (uint16, error) {
	name, ok := strings.CutPrefix(s, ":")
	if !ok {
		return 0, fmt.Errorf("a port follows a colon")
	}
	switch name {
	case "smtp":
		return 25, nil
	case "submission":
		return 587, nil
	case "lmtp":
		return 24, nil
	}
	n, err := strconv.ParseUint(name, 10, 16)
	if err != nil || n == 0 {
		return 0, fmt.Errorf("%q is not a port", name)
	}
	return uint16(n), nil
}

// String is the form that ParseRoute takes.
func (r Route) String() string {
	switch {
	case r.path != "":
		return "lmtp:unix:" + r.path
	case r.mx && r.host == "":
		return "smtp:"
	case r.mx:
		return fmt.Sprintf("smtp:%s:%d", r.host, r.port)
	case r.lmtp:
		return fmt.Sprintf("lmtp:[%s]:%d", r.host, r.port)
	}
	return fmt.Sprintf("smtp:[%s]:%d", r.host, r.port)
}
