// SPDX-License-Identifier: MIT

package admin

import (
	"net"
	"sync"
)

// bounded closes connections over its bound at once, instead of letting them wait: a monitor that leaks connections
// must see that it does.
type bounded struct {
	net.Listener
	slots chan struct{}
}

func newBounded(l net.Listener, n int) net.Listener { return &bounded{l, make(chan struct{}, n)} }

func (b *bounded) Accept() (net.Conn, error) {
	for {
		c, err := b.Listener.Accept()
		if err != nil {
			return nil, err
		}
		select {
		case b.slots <- struct{}{}:
			return &boundedConn{Conn: c, free: func() { <-b.slots }}, nil
		default:
			c.Close()
		}
	}
}

type boundedConn struct {
	net.Conn
	once sync.Once
	free func()
}

func (c *boundedConn) Close() error {
	defer c.once.Do(c.free)
	return c.Conn.Close()
}
