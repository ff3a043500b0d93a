// SPDX-License-Identifier: MIT

package guard

import (
	"strconv"
	"strings"
	"sync"
	"time"

	"posthouse/reply"
)

// pages are lent for replies on their way out.
var pages = sync.Pool{New: func() any { return &page{make([]byte, 0, 1024)} }}

type page struct{ data []byte }

// free gives the page back, unless a long reply has made it large.
func (p *page) free() {
	if cap(p.data) <= 16<<10 {
		p.data = p.data[:0]
		pages.Put(p)
	}
}

// say puts a reply behind the others. They leave together, before the next read that has to wait (RFC 2920 3.2).
func (c *Conn) say(r reply.Reply) {
	if c.mute {
		return
	}
	for text, rest, more := "", r.Text, true; more; {
		sep := byte(' ')
		if text, rest, more = strings.Cut(rest, "\n"); more {
			sep = '-'
		}
		c.sayLine(r.Code, sep, r.Enhanced, text)
	}
}

// sayLine is one line of a reply. A remote's words may be in it: what is not printable ASCII becomes a question mark.
func (c *Conn) sayLine(code int, sep byte, enhanced, text string) {
	if c.out == nil {
		c.out = pages.Get().(*page)
	}
	b := strconv.AppendInt(c.out.data, int64(code), 10)
	b = append(b, sep)
	if enhanced != "" {
		b = append(append(b, enhanced...), ' ')
	}
	for i := 0; i < len(text); i++ {
		if ch := text[i]; ch >= ' ' && ch <= '~' {
			b = append(b, ch)
		} else {
			b = append(b, '?')
		}
	}
	c.out.data = append(b, '\r', '\n')
}

// flush sends what has been said. A client that does not read is lost: a failed write ends the reading too.
func (c *Conn) flush() error {
	if c.out == nil {
		return nil
	}
	p := c.out
	c.out = nil
	defer p.free()
	if deadline := time.Now().Add(c.opt.Command); deadline.Sub(c.sent) > c.opt.slack {
		_ = c.conn.SetWriteDeadline(deadline)
		c.sent = deadline
	}
	if _, err := c.conn.Write(p.data); err != nil {
		c.mute = true
		c.end(err)
		return err
	}
	return nil
}

// replied takes a line of go-smtp's reply: only the last one counts, and of it the code and the text of a challenge.
func (c *Conn) replied(p []byte) {
	if len(p) < 4 || p[3] == '-' {
		return
	}
	code, err := strconv.Atoi(string(p[:3]))
	if err != nil {
		code = 0 // own makes it a 451
	}
	switch {
	case code == 354:
		c.body.state = bodyOffered // held back: the frame may still refuse, see Body
	case code == 334:
		c.sayLine(334, ' ', "", strings.TrimSpace(string(p[4:])))
		c.private = true
	default:
		c.conclude(code)
	}
}

// conclude says the final reply to the command in hand and draws the consequences.
func (c *Conn) conclude(code int) {
	r := c.answer
	if r.Code == 0 || (r.Code/100 == 2) != (code/100 == 2) { // both must mean the same, or the state would drift apart
		r = own(c.verb, code)
	}
	v := c.verb
	c.verb, c.answer, c.private = verbNone, reply.Reply{}, false
	if r.Code/100 == 2 {
		c.settle(v)
	}
	if (v == verbHelo || v == verbEhlo) && r.Code == 250 {
		c.sayHello(v)
	} else {
		c.say(r)
	}
	if v == verbData {
		c.inMail = false
		_ = c.flush() // the sender learns of our promise now, not after commands it has pipelined behind
	}
	c.count(v, r)
	if closing(r) || c.body.poisoned {
		c.depart()
	}
}

// settle notes what a command that was accepted changes.
func (c *Conn) settle(v verb) {
	switch v {
	case verbHelo, verbEhlo:
		c.greeted, c.inMail = true, false
	case verbMail:
		c.inMail = true
	case verbRset:
		c.inMail = false
	case verbData:
		c.errors, c.junk = 0, 0
	case verbAuth:
		c.authed = true
	}
}

// sayHello answers HELO and EHLO: our own name first (RFC 5321 4.1.1.1), where go-smtp has the client's.
func (c *Conn) sayHello(v verb) {
	lines := []string{c.opt.Hostname + c.opt.node()}
	if v == verbEhlo {
		lines = append(lines, c.owner.Keywords()...)
	}
	c.say(reply.Reply{Code: 250, Text: strings.Join(lines, "\n")})
}

// count ends the visit of a client that is mostly wrong, guesses passwords or harvests addresses.
func (c *Conn) count(v verb, r reply.Reply) {
	switch {
	case v == verbAuth && r.Code/100 == 5:
		c.authErrors++
		c.errors++
	case r.Code/100 == 5 && (v != verbData && v != verbMail || r.Code < 510 || r.Code == 555):
		c.errors++
	case v == verbNoop || v == verbRset || v == verbVrfy:
		if c.junk++; c.junk > c.opt.Junk {
			c.errors++
		}
	}
	if c.dead == nil && (c.errors > c.opt.Errors || c.authErrors >= c.opt.AuthErrors) {
		c.hangUp(EventErrors, nil, reply.TooManyErrs)
	}
}

// own is our reply where only go-smtp has spoken: its state machine's code, in our words.
func own(v verb, code int) reply.Reply {
	switch {
	case code/100 == 2 && v == verbAuth:
		return reply.AuthOK
	case code/100 == 2 && v == verbVrfy:
		return reply.CannotVerify
	case code/100 == 2 && v == verbQuit:
		return reply.Bye
	case code/100 == 2 && (v == verbNoop || v == verbRset || v == verbHelo || v == verbEhlo):
		return reply.OK
	case code == 502 || code == 503:
		return reply.BadSequence // go-smtp says 502 out of order
	case v == verbAuth && (code == 454 || code == 501):
		return reply.BadAuth // not base64, or cancelled
	case code == 504:
		return reply.BadParameter
	case code/100 == 5:
		return reply.BadSyntax
	case code == 421:
		return reply.Internal
	}
	return reply.LocalError
}
