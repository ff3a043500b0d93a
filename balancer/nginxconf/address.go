// SPDX-License-Identifier: MIT

package nginxconf

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"

	"posthouse/config"
)

// endpoint is an address as NGINX writes it.
type endpoint struct {
	path        string // of a unix socket, without "unix:"
	host        string // an IP address without brackets, or a name; "" for every IPv4 address
	named       bool   // host is a name
	first, last int    // ports; the same, if it is no range; 0 if there is none
}

var errPort = errors.New("invalid port")

// parseEndpoint reads what ngx_parse_url takes, without a URI. Port ranges, a port alone and "*" are for listen.
func parseEndpoint(s string, listen bool) (e endpoint, err error) {
	if len(s) >= 5 && strings.EqualFold(s[:5], "unix:") {
		return unixEndpoint(s[5:])
	}
	host, port, found := s, "", false
	if strings.HasPrefix(s, "[") {
		end := strings.IndexByte(s, ']')
		if end < 0 {
			return e, errors.New("invalid host")
		}
		if host, port = s[1:end], s[end+1:]; port != "" {
			if port, found = strings.CutPrefix(port, ":"); !found {
				return e, errors.New("invalid host")
			}
		}
		err = e.ip6(host)
	} else {
		if strings.ContainsAny(s, "/?") {
			return e, errors.New("invalid host")
		}
		host, port, found = strings.Cut(s, ":")
		if !found && listen && strings.Trim(s, "0123456789-") == "" {
			return e, e.ports(s, listen)
		}
		err = e.name(host, listen)
	}
	if err == nil && found {
		err = e.ports(port, listen)
	}
	return e, err
}

func unixEndpoint(path string) (endpoint, error) {
	switch {
	case path == "":
		return endpoint{}, errors.New("no path in the unix domain socket")
	case len(path) > 107: // sun_path, with a zero behind it
		return endpoint{}, errors.New("too long path in the unix domain socket")
	}
	return endpoint{path: path}, nil
}

func (e *endpoint) ip6(host string) error {
	a, err := netip.ParseAddr(host)
	switch {
	case host == "":
		return errors.New("no host")
	case err != nil || !a.Is6() || a.Zone() != "":
		return errors.New("invalid IPv6 address")
	}
	e.host = a.String()
	return nil
}

func (e *endpoint) name(host string, listen bool) error {
	if host == "" {
		return errors.New("no host")
	}
	if host == "*" && listen {
		return nil
	}
	if a, ok := ip4(host); ok {
		e.host = a.String()
		return nil
	}
	e.host, e.named = host, true
	return nil
}

// ip4 is four numbers, leading zeros and all. NGINX takes 255.255.255.255 for a name.
func ip4(s string) (a netip.Addr, ok bool) {
	var b [4]byte
	parts := strings.Split(s, ".")
	if len(parts) != len(b) {
		return a, false
	}
	for i, part := range parts {
		n, ok := number("0" + part)
		if !ok || n > 255 {
			return a, false
		}
		b[i] = byte(n)
	}
	return netip.AddrFrom4(b), b != [4]byte{255, 255, 255, 255}
}

// ports reads a port, or a range of them.
func (e *endpoint) ports(s string, listen bool) error {
	first, last, ranged := strings.Cut(s, "-")
	if !ranged || !listen {
		first, last = s, s
	}
	var ok, also bool
	e.first, ok = number(first)
	e.last, also = number(last)
	switch {
	case !ok || !also || e.first < 1 || e.first > 65535 || e.last < 1 || e.last > 65535:
		return errPort
	case e.first > e.last:
		return errors.New("invalid port range")
	}
	return nil
}

// address is the endpoint at one of its ports as the cluster file writes it, if it can hold it.
func (e *endpoint) address(port int) (string, error) {
	s := "unix:" + e.path
	if e.path == "" {
		host := e.host
		if host == "" {
			host = "0.0.0.0"
		}
		s = net.JoinHostPort(host, strconv.Itoa(port))
	}
	var a config.Address
	if err := a.UnmarshalText([]byte(s)); err != nil {
		return "", err
	}
	if printable(s) != s {
		return "", fmt.Errorf("%q has bytes that a cluster file cannot hold", s)
	}
	return a.String(), nil
}

// network reads allow's, deny's and set_real_ip_from's network. Bits behind the prefix mean nothing.
func network(s string) (netip.Prefix, bool) {
	host, bits, masked := strings.Cut(s, "/")
	a, ok := ip4(host)
	if !ok {
		var err error
		if a, err = netip.ParseAddr(host); err != nil || !a.Is6() || a.Zone() != "" {
			return netip.Prefix{}, false
		}
	}
	n := a.BitLen()
	if masked {
		if n, ok = number(bits); !ok || n > a.BitLen() {
			return netip.Prefix{}, false
		}
	}
	return netip.PrefixFrom(a, n).Masked(), true
}
