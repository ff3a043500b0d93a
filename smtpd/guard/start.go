// SPDX-License-Identifier: MIT

package guard

import (
	"crypto/tls"
	"net"
	"syscall"
	"time"

	"posthouse/reply"
)

// start runs in the place of go-smtp's greeting: what a proxy announces, TLS if it comes first, the gate, the banner.
func (c *Conn) start() {
	_ = c.conn.SetReadDeadline(time.Now().Add(c.opt.Handshake))
	conn, err := c.owner.Announce(c.conn)
	if err != nil {
		c.vanish(EventProxy, err)
		return
	}
	c.swap(conn)
	if c.opt.Implicit && !c.handshake() {
		return
	}
	if err := c.owner.Connect(); err != nil {
		c.hangUp(EventRefused, err, reply.For(err))
		return
	}
	if !c.opt.Implicit && pending(c.conn) {
		c.early = true
	}
	c.say(reply.Reply{Code: 220, Text: c.opt.Hostname + " ESMTP" + c.opt.node()})
}

// vanish closes without a word.
func (c *Conn) vanish(what Event, cause error) {
	c.owner.Note(what, cause)
	c.mute = true
	c.end(net.ErrClosed)
}

// swap goes on with another connection, on which no deadline of ours stands.
func (c *Conn) swap(conn net.Conn) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.conn, c.armed, c.sent = conn, time.Time{}, time.Time{}
}

// startTLS is RFC 3207 4. Commands that came in the clear behind it are an injection, a failed handshake is the end, and
// after a good one the client starts anew: nothing it said before counts.
func (c *Conn) startTLS(arg []byte) {
	switch {
	case len(arg) > 0:
		c.refuse(verbStartTLS, reply.BadSyntax)
	case c.Secure() || c.authed:
		c.refuse(verbStartTLS, reply.BadSequence)
	case c.opt.TLS == nil:
		c.refuse(verbStartTLS, reply.NotOffered)
	case c.in.r < c.in.w:
		c.hangUp(EventInjection, nil, reply.BadSequence)
	default:
		c.say(reply.ReadyForTLS)
		if c.flush() == nil && c.handshake() {
			c.hello, c.esmtp, c.greeted = "", false, false
		}
	}
}

func (c *Conn) handshake() bool {
	t := tls.Server(c.conn, c.opt.TLS)
	_ = c.conn.SetDeadline(time.Now().Add(c.opt.Handshake))
	if err := t.Handshake(); err != nil {
		c.vanish(EventHandshake, err)
		return false
	}
	c.swap(t)
	return true
}

// Await waits up to d, before the banner, for a client that does not: one that speaks first is early from then on, and ends the
// wait as one does that leaves. Over TLS there is nothing to wait for.
func (c *Conn) Await(d time.Duration) {
	if c.opt.Implicit {
		return
	}
	if c.early = c.early || pending(c.conn); c.early {
		return
	}
	sc, ok := c.conn.(syscall.Conn)
	if !ok {
		return
	}
	raw, err := sc.SyscallConn()
	if err != nil || !c.arm(time.Now().Add(d), true) {
		return
	}
	n := 0
	_ = raw.Read(func(fd uintptr) (done bool) {
		var b [1]byte
		n, _, err = syscall.Recvfrom(int(fd), b[:], syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
		return err != syscall.EAGAIN && err != syscall.EINTR
	})
	c.disarm()
	c.early = c.early || n > 0
}

// pending reports octets that wait to be read, without taking them.
func pending(conn net.Conn) bool {
	if p, ok := conn.(interface{ Pending() bool }); ok && p.Pending() { // behind a PROXY header, in its packet
		return true
	}
	sc, ok := conn.(syscall.Conn)
	if !ok {
		return false
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return false
	}
	n := 0
	_ = raw.Control(func(fd uintptr) {
		var b [1]byte
		n, _, _ = syscall.Recvfrom(int(fd), b[:], syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
	})
	return n > 0
}
