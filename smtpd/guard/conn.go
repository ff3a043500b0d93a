// SPDX-License-Identifier: MIT

package guard

import (
	"fmt"
	"io"
	"net"
	"runtime/debug"
	"sync"
	"time"

	"posthouse/reply"
)

// Conn is one client, as go-smtp may see it. Reads and writes come from one goroutine; only Stop and Abort are for others.
type Conn struct {
	opt   *Options
	owner Owner

	mu       sync.Mutex // guards the next four
	conn     net.Conn   // TLS after STARTTLS
	armed    time.Time  // its read deadline
	stopping bool
	waiting  bool // in a read that Stop may interrupt

	in   input
	out  *page     // replies not yet sent; nil while idle
	sent time.Time // the write deadline
	next []byte    // what go-smtp has still to read of the line it was given
	line []byte    // where next is built

	started, closed bool
	dead            error // sticky: what ended the reading
	mute            bool  // nothing more is said
	hangup          bool  // the end comes from us, with replies the client should still see

	verb    verb // go-smtp owes the reply to it
	cmd     Command
	answer  reply.Reply // the Owner's reply to it
	private bool        // a line of an AUTH exchange is expected
	body    body

	hello      string
	esmtp      bool
	greeted    bool
	confined   bool // PROXY LOCAL or UNKNOWN: no mail
	early      bool
	authed     bool
	inMail     bool // between an accepted MAIL and the end of its transaction
	utf8       bool // this MAIL said SMTPUTF8
	policy     Policy
	errors     int
	authErrors int
	junk       int
}

// New puts a guard before conn. Nothing happens until go-smtp writes its greeting, in the connection's own goroutine.
// o must be complete.
func New(conn net.Conn, o *Options, owner Owner) *Conn {
	return &Conn{opt: o, owner: owner, conn: conn}
}

// Read gives go-smtp the next command line, or the final dot of a text that the frame has dealt with.
func (c *Conn) Read(p []byte) (n int, err error) {
	defer c.contain(&err)
	if len(c.next) == 0 {
		if err := c.advance(); err != nil {
			return 0, err
		}
	}
	n = copy(p, c.next)
	c.next = c.next[n:]
	return n, nil
}

// advance finds out what go-smtp may read next. The end of a connection is always io.EOF to it: the rest it would answer.
func (c *Conn) advance() error {
	if c.body.state != bodyNone {
		c.finishBody()
	}
	for len(c.next) == 0 {
		if c.dead != nil {
			return io.EOF
		}
		if c.private {
			c.continueAuth()
		} else {
			c.command()
		}
	}
	return nil
}

// Write takes one line of a reply from go-smtp; the first is its greeting, which starts the connection.
func (c *Conn) Write(p []byte) (n int, err error) {
	defer c.contain(&err)
	if !c.started {
		c.started = true
		c.start()
		return len(p), nil
	}
	c.replied(p)
	return len(p), nil
}

// contain keeps a panic to this connection: go-smtp recovers only inside of commands.
func (c *Conn) contain(err *error) {
	if p := recover(); p != nil {
		c.owner.Note(EventPanic, fmt.Errorf("%v\n%s", p, debug.Stack()))
		c.end(io.EOF)
		c.mute = true
		*err = io.EOF
	}
}

// Close says what is left to say and ends the connection. Only the first call counts.
func (c *Conn) Close() error {
	if c.closed {
		return nil
	}
	c.closed = true
	defer c.owner.Closed()
	c.end(net.ErrClosed)
	c.flush()
	if c.hangup {
		c.linger()
	}
	c.in.r = c.in.w // nobody wants it any more
	c.in.release()
	return c.conn.Close()
}

// end makes this the last read. The first cause stays.
func (c *Conn) end(cause error) {
	if c.dead == nil {
		c.dead = cause
	}
	c.next = nil
}

// hangUp says r and ends the connection from our side.
func (c *Conn) hangUp(what Event, cause error, r reply.Reply) {
	c.owner.Note(what, cause)
	c.say(r)
	c.depart()
}

// depart ends the connection after what was said.
func (c *Conn) depart() {
	c.flush()
	c.mute, c.hangup = true, true
	c.end(io.EOF)
}
