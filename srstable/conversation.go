// SPDX-License-Identifier: MIT

package srstable

import (
	"io"
	"net"
	"time"
)

// operation is what tcp_table(5) gives a request that has begun, and a reply.
const operation = 100 * time.Second

// Sizes of buffers. The first takes some hundred pipelined requests at once, the second is what a connection may keep of its
// replies until the next.
const (
	readSize = 16 << 10
	keepSize = 32 << 10
)

// converse answers one connection to its end.
func (s *Server) converse(conn net.Conn, speak dialect) {
	in, out := make([]byte, 0, readSize), []byte(nil)
	begun := false // part of a request is there
	var limit deadlines
	for {
		if !begun {
			limit.extend(conn, s.options.Idle)
		}
		n, err := conn.Read(in[len(in):cap(in)])
		in = in[:len(in)+n]
		rest, reply, open := speakAll(speak, in, out[:0])
		if err == io.EOF && open && len(rest) > 0 { // Exim's readsocket closes its half in place of a line end
			_, reply, _ = speakAll(speak, append(rest, '\n'), reply)
		}
		if len(reply) > 0 {
			limit.extend(conn, s.options.Idle)
			if _, failed := conn.Write(reply); failed != nil {
				return
			}
		}
		if err != nil || !open {
			return
		}
		if out = reply; cap(out) > keepSize {
			out = nil
		}
		if in = in[:copy(in, rest)]; len(in) > 0 && (!begun || len(reply) > 0) {
			limit.shorten(conn)
		}
		begun = len(in) > 0
	}
}

// deadlines are moved once a second at most: a busy connection would spend a tenth of its time on them.
type deadlines struct{ set time.Time }

// extend gives the next request idle time, and a reply the time of an operation.
func (d *deadlines) extend(conn net.Conn, idle time.Duration) {
	now := time.Now()
	if now.Sub(d.set) < time.Second {
		return
	}
	d.set = now
	_ = conn.SetReadDeadline(now.Add(idle))
	_ = conn.SetWriteDeadline(now.Add(operation))
}

// shorten gives a request that has begun the time of an operation.
func (d *deadlines) shorten(conn net.Conn) {
	d.set = time.Time{}
	_ = conn.SetReadDeadline(time.Now().Add(operation))
}

// speakAll answers all whole requests of in. No request is as long as in can be: there is always room to read on.
func speakAll(speak dialect, in, out []byte) (rest, reply []byte, open bool) {
	for len(in) > 0 {
		used, next, open := speak(in, out)
		out, in = next, in[used:]
		if !open {
			return nil, out, false
		}
		if used == 0 {
			break
		}
	}
	return in, out, true
}
