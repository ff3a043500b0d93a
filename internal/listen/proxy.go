// SPDX-License-Identifier: MIT

package listen

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"net/netip"

	"github.com/pires/go-proxyproto"
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
	r := bufio.NewReader(conn)
	h, err := proxyproto.Read(r)
	if err != nil {
		return nil, ends, fmt.Errorf("PROXY header from %s: %w", ends.Client, err)
	}
	return rest(conn, r), announced(h), nil
}

func announced(h *proxyproto.Header) Ends {
	src, dst, ok := h.TCPAddrs()
	if h.Command.IsLocal() || !ok {
		return Ends{Local: true}
	}
	return Ends{Client: Addr(src), Server: Addr(dst)}
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

// rest is conn again, behind what r has already read of it.
func rest(conn net.Conn, r *bufio.Reader) net.Conn {
	if r.Buffered() == 0 {
		return conn
	}
	b, _ := r.Peek(r.Buffered()) // as many as there are: no error
	return &prefixed{Conn: conn, first: append([]byte(nil), b...)}
}

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
