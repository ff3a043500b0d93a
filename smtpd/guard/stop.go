// SPDX-License-Identifier: MIT

package guard

import (
	"crypto/tls"
	"io"
	"net"
	"time"
)

// Stop sends the client away with 421 as soon as it is between two transactions. Any goroutine may call it.
func (c *Conn) Stop() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.stopping = true
	if c.waiting {
		c.armed = time.Unix(1, 0)
		_ = c.conn.SetReadDeadline(c.armed)
	}
}

// Waiting reports a connection that Stop would send away now. Any goroutine may ask.
func (c *Conn) Waiting() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.waiting
}

// Abort cuts the connection. Any goroutine may call it.
func (c *Conn) Abort() {
	c.mu.Lock()
	defer c.mu.Unlock()
	_ = transport(c.conn).Close()
}

// transport is what lies below TLS, where closing does not wait.
func transport(conn net.Conn) net.Conn {
	if t, ok := conn.(*tls.Conn); ok {
		return t.NetConn()
	}
	return conn
}

const (
	lingerTime = time.Second
	lingerSize = 256 << 10
)

// linger lets our last words arrive: closing a socket with unread input resets it, and the client's system then drops
// the reply that it has not read yet.
func (c *Conn) linger() {
	if t, ok := c.conn.(*tls.Conn); ok {
		_ = t.CloseWrite()
	}
	conn := transport(c.conn)
	half, ok := conn.(interface{ CloseWrite() error })
	if !ok || half.CloseWrite() != nil {
		return
	}
	c.mu.Lock()
	stopping := c.stopping
	_ = conn.SetReadDeadline(time.Now().Add(lingerTime))
	c.mu.Unlock()
	if !stopping {
		_, _ = io.CopyN(io.Discard, conn, lingerSize)
	}
}
