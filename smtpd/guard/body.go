// SPDX-License-Identifier: MIT

package guard

import (
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"posthouse/reply"
)

// bodyState is where the text of a message stands.
type bodyState uint8

const (
	bodyNone    bodyState = iota
	bodyOffered           // go-smtp has said 354, the client has not heard it
	bodyOpen              // it has, and the text flows
	bodyEnded             // the final dot has come
)

type body struct {
	state    bodyState
	dots     decoder
	pending  []byte // decoded text that the reader has not fetched
	err      error  // what the reader gets after it
	began    time.Time
	received int64
	drained  int64
	poisoned bool // the connection must not go on after the reply
}

// errCut is text that ended without its dot. A reader must not take the end of the connection for that of the message:
// what it wraps is hidden from those who compare with io.EOF.
var errCut = errors.New("the text was cut off")

// Whole reports that the text has come to its final dot and is fit to be delivered.
func (c *Conn) Whole() bool { return c.body.state == bodyEnded && c.body.err == io.EOF }

// Body is the text of the message under way: dots removed, every line ended by CRLF. The first Read lets the client
// have its 354; a frame that refuses before that has its reply answer DATA. It ends in io.EOF after CRLF.CRLF and only
// then; a reply.BareNewline comes after the whole text has been read; any other error has ended the connection.
func (c *Conn) Body() io.Reader { return bodyReader{c} }

type bodyReader struct{ *Conn }

func (r bodyReader) Read(p []byte) (n int, err error) {
	c := r.Conn
	if c.body.state == bodyOffered {
		c.openBody()
	}
	for n < len(p) {
		if len(c.body.pending) == 0 && !c.decode(n == 0) {
			break
		}
		m := copy(p[n:], c.body.pending)
		c.body.pending = c.body.pending[m:]
		n += m
	}
	if n == 0 && len(p) > 0 {
		return 0, c.body.err
	}
	return n, nil
}

// openBody lets the client begin.
func (c *Conn) openBody() {
	c.say(reply.StartMail)
	c.in.enlarge()
	c.body = body{state: bodyOpen, began: time.Now()}
	c.body.dots.start(c.policy)
}

// decode finds more text, if need be and wanted by waiting for it. False: none now, or none ever (then err is set).
func (c *Conn) decode(wait bool) bool {
	b := &c.body
	for b.err == nil {
		chunk, n, end := b.dots.next(c.in.bytes())
		c.in.r += n
		b.pending = chunk
		switch {
		case end:
			c.endBody()
		case len(chunk) > 0:
			return true
		case n == 0 && !wait:
			return false
		case n == 0:
			b.err = c.more()
		case b.dots.stray:
			b.err = c.discarded(n)
		}
	}
	return false
}

// endBody notes the final dot.
func (c *Conn) endBody() {
	b := &c.body
	b.state = bodyEnded
	b.err = io.EOF
	if b.dots.stray {
		b.err = reply.BareNewline
		b.poisoned = true
		c.owner.Note(EventBareNewline, nil)
	}
}

// more waits for another block. Two deadlines hold: one between blocks, and one that moves on with what has come.
func (c *Conn) more() error {
	b := &c.body
	before := c.in.w - c.in.r
	rolling := time.Now().Add(c.opt.Data)
	steady := b.began.Add(c.opt.Data + time.Duration(b.received)*time.Second/time.Duration(c.opt.Rate))
	deadline := rolling
	if steady.Before(rolling) {
		deadline = steady
	}
	if err := c.fill(deadline, false); err != nil {
		c.textFailed(err, steady.Before(rolling))
		return fmt.Errorf("%w: %w", errCut, err)
	}
	b.received += int64(c.in.w - c.in.r - before)
	return nil
}

func (c *Conn) textFailed(err error, slow bool) {
	if slow && errors.Is(err, os.ErrDeadlineExceeded) {
		c.hangUp(EventTooSlow, nil, reply.Timeout)
		return
	}
	c.failed(err)
}

// discarded counts refused text. Past the limit its end is not waited for: the reply is said and the connection closed.
func (c *Conn) discarded(n int) error {
	b := &c.body
	if b.drained += int64(n); b.drained <= c.opt.Drain {
		return nil
	}
	c.owner.Note(EventTooMuch, nil)
	b.state, b.poisoned = bodyEnded, true
	if b.dots.stray {
		return reply.BareNewline
	}
	return reply.TooBig
}

// finishBody runs when go-smtp asks for the text, which is when the frame is done with it: what is left is read to its
// end, so that no line of it is taken for a command, and go-smtp gets the dot that it waits for.
func (c *Conn) finishBody() {
	if c.body.state == bodyOffered {
		c.body = body{poisoned: c.in.r < c.in.w} // text that came unasked may follow
	}
	c.body.pending = nil
	for c.body.state == bodyOpen && c.body.err == nil {
		c.decode(true)
		c.drop()
	}
	c.body.state = bodyNone
	c.in.release()
	if c.dead == nil {
		c.next = []byte(".\r\n")
	}
}

// drop throws decoded text away.
func (c *Conn) drop() {
	n := len(c.body.pending)
	c.body.pending = nil
	if err := c.discarded(n); err != nil {
		c.body.err = err
	}
}
