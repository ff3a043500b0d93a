// SPDX-License-Identifier: MIT

package admin

import (
	"context"
	"net"
	"sync"
	"time"
)

// bounded closes connections over its bound at once, instead of letting them wait: a monitor that leaks connections
// must see that it does.
type bounded struct {
	net.Listener
	slots chan struct{}
}

func newBounded(l net.Listener, n int) *bounded { return &bounded{l, make(chan struct{}, n)} }

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

// waitEmpty waits until all connections are closed, at most for a while.
func (b *bounded) waitEmpty(ctx context.Context, most time.Duration) {
	ctx, cancel := context.WithTimeout(ctx, most)
	defer cancel()
	for len(b.slots) > 0 {
		select {
		case <-ctx.Done():
			return
		case <-time.After(time.Millisecond):
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
