// SPDX-License-Identifier: MIT

package listen

import (
	"errors"
	"fmt"
	"net"
	"net/netip"

	"posthouse/balancer/proxy"
)

// Ends is who talks to whom.
type Ends struct {
	Client, Server netip.AddrPort // zero for a unix socket, and if Local
	Local          bool           // the proxy speaks for itself (LOCAL), or cannot say for whom (UNKNOWN)
}

// ErrStranger is a peer outside of proxy_networks.
var ErrStranger = errors.New("peer is not in proxy_networks")

// Announce reads the PROXY header where the listener wants one; the caller has set a deadline. It returns the connection
// with what follows. Octets behind the header in the same packet are not lost.
func (c *Config) Announce(conn net.Conn) (net.Conn, Ends, error) {
	ends := Ends{Client: Addr(conn.RemoteAddr()), Server: Addr(conn.LocalAddr())}
	if !c.Proxied() {
		return conn, ends, nil
	}
	if !c.Trusted(ends.Client.Addr()) {
		return nil, ends, fmt.Errorf("%s: %w", ends.Client, ErrStranger)
	}
	h, rest, err := proxy.Read(conn)
	if err != nil {
		return nil, ends, fmt.Errorf("PROXY header from %s: %w", ends.Client, err)
	}
	if len(rest) > 0 {
		conn = &prefixed{Conn: conn, first: rest}
	}
	return conn, Ends{Client: h.Source, Server: h.Destination, Local: h.Local}, nil
}

// Addr is a TCP address, unmapped; zero for any other.
func Addr(a net.Addr) netip.AddrPort {
	t, ok := a.(*net.TCPAddr)
	if !ok || t == nil {
		return netip.AddrPort{}
	}
	ap := t.AddrPort()
	return netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port())
}

// prefixed is a connection behind its header, of which first was read already.
type prefixed struct {
	net.Conn
	first []byte
}

func (p *prefixed) Read(b []byte) (int, error) {
	if len(p.first) == 0 {
		return p.Conn.Read(b)
	}
	n := copy(b, p.first)
	p.first = p.first[n:]
	return n, nil
}

// Pending reports octets that came behind the header and have not been read: they are not in the socket any more.
func (p *prefixed) Pending() bool { return len(p.first) > 0 }

// CloseWrite ends our half, so that a client can read our last words.
func (p *prefixed) CloseWrite() error {
	if c, ok := p.Conn.(interface{ CloseWrite() error }); ok {
		return c.CloseWrite()
	}
	return errors.ErrUnsupported
}
