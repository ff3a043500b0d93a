// SPDX-License-Identifier: MIT

package guard

import (
	"bytes"
	"time"

	"posthouse/mail"
	"posthouse/reply"
)

// verb is a command that we know. go-smtp never sees another.
type verb uint8

const (
	verbNone verb = iota
	verbHelo
	verbEhlo
	verbMail
	verbRcpt
	verbData
	verbRset
	verbNoop
	verbVrfy
	verbQuit
	verbAuth
	verbStartTLS
	verbBdat
	verbAbsent // known, not offered
	verbForbidden
	verbUnknown
)

func verbOf(word []byte) verb {
	if len(word) > len("STARTTLS") {
		return verbUnknown
	}
	var upper [len("STARTTLS")]byte
	for i, ch := range word {
		if 'a' <= ch && ch <= 'z' {
			ch -= 'a' - 'A'
		}
		upper[i] = ch
	}
	switch string(upper[:len(word)]) {
	case "HELO":
		return verbHelo
	case "EHLO":
		return verbEhlo
	case "MAIL":
		return verbMail
	case "RCPT":
		return verbRcpt
	case "DATA":
		return verbData
	case "RSET":
		return verbRset
	case "NOOP":
		return verbNoop
	case "VRFY":
		return verbVrfy
	case "QUIT":
		return verbQuit
	case "AUTH":
		return verbAuth
	case "STARTTLS":
		return verbStartTLS
	case "EXPN", "HELP", "TURN", "ETRN", "SEND", "SOML", "SAML", "LHLO", "XCLIENT", "XFORWARD", "BURL":
		return verbAbsent
	case "BDAT":
		return verbBdat
	case "GET", "POST", "PUT", "HEAD", "CONNECT", "OPTIONS":
		return verbForbidden // a browser or proxy that someone points at us, with a body to follow
	}
	return verbUnknown
}

// last reports a command that ends a pipelined group (RFC 2920 3.1): what follows unasked is early.
func (v verb) last() bool {
	switch v {
	case verbHelo, verbEhlo, verbData, verbNoop, verbVrfy, verbQuit, verbAuth, verbStartTLS:
		return true
	}
	return false
}

// Command is what MAIL or RCPT said beyond what go-smtp can tell.
type Command struct {
	Path  mail.Path // as parsed from the wire, quotes and all
	Size  int64     // SIZE of MAIL; -1 not given
	ORcpt string    // ORCPT of a type that go-smtp does not know: type, ";", decoded address
}

// command takes one line from the client. It is answered here, or stands rewritten in next for go-smtp.
func (c *Conn) command() {
	line, err := c.readLine(time.Now().Add(c.opt.Command))
	if err != nil {
		c.failed(err)
		return
	}
	word, arg, _ := bytes.Cut(line, []byte(" "))
	v := verbOf(word)
	if c.in.r < c.in.w && (v.last() || !c.esmtp) {
		c.early = true
	}
	if r, ok := c.allowed(v, line); !ok {
		c.refuse(v, r)
		return
	}
	c.dispatch(v, bytes.TrimSpace(arg))
}

// allowed is the first of a command's three steps: may it come now at all?
func (c *Conn) allowed(v verb, line []byte) (reply.Reply, bool) {
	switch {
	case !clean(line, v == verbMail || v == verbRcpt):
		return reply.BadCommand, false
	case c.confined && v != verbEhlo && v != verbHelo && v != verbNoop && v != verbQuit:
		return reply.NotOffered, false
	case c.opt.RequireTLS && !c.Secure() && v.needsTLS():
		return reply.NeedTLS, false
	case !c.greeted && (v == verbMail || v == verbRcpt || v == verbData || v == verbAuth):
		return reply.BadSequence, false
	case c.inMail && (v == verbMail || v == verbAuth || v == verbStartTLS):
		return reply.BadSequence, false // go-smtp would keep the recipients of the first MAIL
	}
	return reply.Reply{}, true
}

func (v verb) needsTLS() bool {
	return v == verbMail || v == verbRcpt || v == verbData || v == verbAuth || v == verbVrfy
}

// clean reports a line of printable ASCII, or with octets above 127 where paths may have them.
func clean(line []byte, wide bool) bool {
	for _, ch := range line {
		if ch < ' ' || ch == 0x7f || ch > 0x7f && !wide {
			return false
		}
	}
	return true
}

func (c *Conn) dispatch(v verb, arg []byte) {
	switch v {
	case verbHelo, verbEhlo:
		c.greet(v, arg)
	case verbMail, verbRcpt:
		c.path(v, arg)
	case verbData, verbRset, verbQuit:
		c.bare(v, arg)
	case verbNoop, verbVrfy:
		c.hand(v, verbNames[v])
	case verbAuth:
		c.auth(arg)
	case verbStartTLS:
		c.startTLS(arg)
	default:
		c.strange(v)
	}
}

var verbNames = [...]string{verbData: "DATA", verbRset: "RSET", verbQuit: "QUIT", verbNoop: "NOOP", verbVrfy: "VRFY"}

// bare passes on a command that has no argument.
func (c *Conn) bare(v verb, arg []byte) {
	if len(arg) > 0 {
		c.refuse(v, reply.BadSyntax)
		return
	}
	c.hand(v, verbNames[v])
}

// strange answers what we do not do. BDAT brings a chunk along that must never be read as commands, so it ends the
// connection; so does a client that speaks another protocol.
func (c *Conn) strange(v verb) {
	switch v {
	case verbForbidden:
		c.hangUp(EventForbidden, nil, reply.BadCommand)
	case verbBdat:
		c.hangUp(EventForbidden, nil, reply.NotOffered)
	case verbAbsent:
		c.refuse(v, reply.NotOffered)
	default:
		c.refuse(v, reply.BadCommand)
	}
}

// greet takes HELO or EHLO. RFC 5321 4.1.4: a name that does not fit the host is no reason to refuse here.
func (c *Conn) greet(v verb, arg []byte) {
	name, _, _ := bytes.Cut(arg, []byte(" "))
	if len(name) == 0 || len(name) > 255 {
		c.refuse(v, reply.BadSyntax)
		return
	}
	c.hello, c.esmtp = string(name), v == verbEhlo
	if v == verbEhlo {
		c.hand(v, "EHLO ", c.hello)
	} else {
		c.hand(v, "HELO ", c.hello)
	}
}

// auth begins an exchange. go-smtp would call a missing mechanism a mangled command.
func (c *Conn) auth(arg []byte) {
	if len(arg) == 0 {
		c.refuse(verbAuth, reply.BadSyntax)
		return
	}
	c.hand(verbAuth, "AUTH ", string(arg))
}

// continueAuth passes on a line of an AUTH exchange, or what cancels it (RFC 4954 4) in place of one that is not clean.
func (c *Conn) continueAuth() {
	line, err := c.readLine(time.Now().Add(c.opt.Command))
	if err != nil {
		c.failed(err)
		return
	}
	c.private = false
	if !clean(line, false) {
		line = []byte("*")
	}
	c.hand(verbAuth, string(line))
}

// hand gives go-smtp a line.
func (c *Conn) hand(v verb, parts ...string) {
	c.verb, c.answer = v, reply.Reply{}
	b := c.line[:0]
	for _, p := range parts {
		b = append(b, p...)
	}
	b = append(b, '\r', '\n')
	c.next = b
	if cap(b) > 512 {
		b = nil // not to be held while idle
	}
	c.line = b
}

// refuse answers a command without go-smtp.
func (c *Conn) refuse(v verb, r reply.Reply) {
	c.say(r)
	c.count(v, r)
}
