// SPDX-License-Identifier: MIT

package guard

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"time"

	"posthouse/reply"
)

// blockSize is one read of text. A 20 MiB message takes some 320 of them.
const blockSize = 64 << 10

// blocks are lent while a text or a long line comes in; an idle client holds none.
var blocks = sync.Pool{New: func() any { return new([blockSize]byte) }}

// input is what has come in and is not yet used: buf[r:w], in its own few octets or in a block.
type input struct {
	r, w  int
	block *[blockSize]byte
	small [1024]byte
}

func (in *input) buf() []byte {
	if in.block != nil {
		return in.block[:]
	}
	return in.small[:]
}

func (in *input) bytes() []byte { return in.buf()[in.r:in.w] }

// enlarge moves on to a block.
func (in *input) enlarge() {
	if in.block == nil {
		in.block = blocks.Get().(*[blockSize]byte)
		in.w = copy(in.block[:], in.small[in.r:in.w])
		in.r = 0
	}
}

// release gives the block back if nothing is in it.
func (in *input) release() {
	if in.block != nil && in.r == in.w {
		blocks.Put(in.block)
		in.block = nil
	}
	if in.r == in.w {
		in.r, in.w = 0, 0
	}
}

// room makes space behind w: by moving up what is left, else by a block. False: a full block.
func (in *input) room() bool {
	if in.r == in.w {
		in.r, in.w = 0, 0
	}
	if in.w < len(in.buf()) {
		return true
	}
	if in.r > 0 {
		in.w = copy(in.buf(), in.bytes())
		in.r = 0
		return true
	}
	if in.block != nil {
		return false
	}
	in.enlarge()
	return true
}

var (
	errStopping = errors.New("shutting down")
	errLongLine = errors.New("line too long")
	errBareLine = errors.New("line does not end in CRLF")
)

// readLine is the next line without its CRLF, good until the next read. It has until the deadline for the whole line.
func (c *Conn) readLine(deadline time.Time) ([]byte, error) {
	seen := 0
	for {
		b := c.in.bytes()
		limit := c.lineLimit(b)
		if i := bytes.IndexByte(b[seen:], '\n'); i >= 0 && seen+i < limit {
			return c.cutLine(b[:seen+i+1])
		}
		if len(b) >= limit {
			return nil, errLongLine
		}
		seen = len(b)
		if err := c.fill(deadline, true); err != nil {
			return nil, err
		}
	}
}

// lineLimit is that of RFC 4954 4 within AUTH, which may carry tickets and tokens.
func (c *Conn) lineLimit(b []byte) int {
	const auth = "AUTH "
	if c.private || len(b) >= len(auth) && bytes.EqualFold(b[:len(auth)], []byte(auth)) {
		return c.opt.AuthLine
	}
	return c.opt.Line
}

func (c *Conn) cutLine(b []byte) ([]byte, error) {
	c.in.r += len(b)
	line, ok := bytes.CutSuffix(b, []byte("\r\n"))
	if !ok && c.policy == Normalize {
		line, ok = b[:len(b)-1], true
	}
	if !ok || bytes.IndexByte(line, '\r') >= 0 {
		return nil, errBareLine
	}
	return line, nil
}

// fill waits for more, after the replies have gone out. Stop cuts it short between transactions.
func (c *Conn) fill(deadline time.Time, interruptible bool) error {
	if err := c.flush(); err != nil {
		return err
	}
	if c.in.r == c.in.w && interruptible {
		c.in.release()
	}
	if !c.in.room() {
		return errLongLine
	}
	if !c.arm(deadline, interruptible && !c.inMail) {
		return errStopping
	}
	n, err := c.conn.Read(c.in.buf()[c.in.w:])
	c.in.w += n
	stopped := c.disarm()
	switch {
	case n > 0:
		return nil // an error will come again
	case stopped && errors.Is(err, os.ErrDeadlineExceeded):
		return errStopping
	case err == nil:
		return io.ErrNoProgress
	}
	return err
}

// arm sets the deadline, unless the client is to be sent away instead. Setting one costs a lock and a timer: one that
// stands and ends at most slack too early is good enough.
func (c *Conn) arm(deadline time.Time, interruptible bool) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.stopping && interruptible {
		return false
	}
	c.waiting = interruptible
	if early := deadline.Sub(c.armed); early < 0 || early > c.opt.slack {
		_ = c.conn.SetReadDeadline(deadline) // a connection without deadlines is a closed one, and Read says so
		c.armed = deadline
	}
	return true
}

func (c *Conn) disarm() (stopped bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	stopped = c.waiting && c.stopping
	c.waiting = false
	return stopped
}

// failed ends the connection after a read that did not bring a line, with the last words for that case.
func (c *Conn) failed(err error) {
	var timeout net.Error
	switch {
	case errors.Is(err, errStopping):
		c.hangUp(EventStopped, nil, reply.ShuttingDown)
	case errors.Is(err, errLongLine):
		c.hangUp(EventLongLine, nil, reply.LongLine)
	case errors.Is(err, errBareLine):
		c.hangUp(EventBareNewline, nil, reply.BareCommand)
	case errors.As(err, &timeout) && timeout.Timeout():
		c.hangUp(EventTimeout, nil, reply.Timeout)
	default:
		c.lost(err)
	}
}

// lost ends the connection without a word: nobody is there.
func (c *Conn) lost(err error) {
	if c.inMail || !errors.Is(err, io.EOF) {
		c.owner.Note(EventLost, err)
	}
	c.mute = true
	c.end(io.EOF)
}
