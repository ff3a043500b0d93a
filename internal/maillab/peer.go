// SPDX-License-Identifier: MIT

package maillab

import (
	"bufio"
	"crypto/tls"
	"io"
	"net"
	"strings"
	"time"
)

// peer is one conversation of a sink.
type peer struct {
	sink   *Sink
	number int
	conn   net.Conn
	r      *bufio.Reader
	tls    bool
	from   string
	to     []string
}

func newPeer(s *Sink, c net.Conn) *peer {
	c.SetDeadline(time.Now().Add(never))
	return &peer{sink: s, number: s.Connections(), conn: c, r: bufio.NewReader(c)}
}

// serve runs the conversation to its end.
func (p *peer) serve() {
	if p.answer("BANNER", "", "220 sink.test ESMTP") != nil {
		return
	}
	for {
		line, err := p.r.ReadString('\n')
		if err != nil {
			return
		}
		verb, argument, _ := strings.Cut(strings.TrimRight(line, "\r\n"), " ")
		if p.command(strings.ToUpper(verb), argument) != nil {
			return
		}
	}
}

// answer writes the usual reply, or does what the script wants. Its error ends the conversation.
func (p *peer) answer(verb, argument, usual string) error {
	_, err := p.decide(verb, argument, usual)
	return err
}

// decide is answer, and tells whether the reply was positive.
func (p *peer) decide(verb, argument, usual string) (bool, error) {
	return p.perform(p.sink.ask(Event{Verb: verb, Argument: argument, Connection: p.number}), usual)
}

// perform does what an action says.
func (p *peer) perform(a Action, usual string) (bool, error) {
	if a.Delay > 0 {
		time.Sleep(a.Delay) // the script asked for a slow peer
	}
	switch {
	case a.Drop:
		return false, errEnd
	case a.Stall:
		io.Copy(io.Discard, p.conn) // until the other side closes
		return false, errEnd
	case a.Endless:
		return false, p.endless()
	case a.Reply != "":
		usual = a.Reply
	}
	err := p.write(usual)
	if a.Close {
		err = errEnd
	}
	return usual[0] == '2' || usual[0] == '3', err
}

// write sends a reply, its lines joined as RFC 5321 4.2.1 wants.
func (p *peer) write(reply string) error {
	lines := strings.Split(reply, "\n")
	code := lines[0][:3]
	for i, l := range lines {
		if i > 0 && !startsWithCode(l) {
			l = code + " " + l
		}
		if i < len(lines)-1 {
			l = l[:3] + "-" + l[4:]
		}
		lines[i] = l
	}
	_, err := io.WriteString(p.conn, strings.Join(lines, "\r\n")+"\r\n")
	return err
}

func startsWithCode(line string) bool {
	return len(line) >= 4 && strings.Trim(line[:3], "0123456789") == "" && (line[3] == ' ' || line[3] == '-')
}

// endless sends reply lines until the other side has enough.
func (p *peer) endless() error {
	for {
		if err := p.write("250-and another line\n250-and another line\n250-"); err != nil {
			return err
		}
	}
}

// command carries out one command.
func (p *peer) command(verb, argument string) error {
	switch verb {
	case "HELO", "EHLO", "LHLO":
		return p.answer(verb, argument, p.hello(verb))
	case "STARTTLS":
		return p.startTLS()
	case "MAIL":
		return p.mail(argument)
	case "RCPT":
		ok, err := p.decide(verb, argument, "250 2.1.5 Ok")
		if ok {
			p.to = append(p.to, argument)
		}
		return err
	case "DATA":
		return p.data()
	case "RSET":
		p.from, p.to = "", nil
		return p.answer(verb, argument, "250 2.0.0 Ok")
	case "QUIT":
		p.answer(verb, argument, "221 2.0.0 Bye")
		return errEnd
	case "NOOP":
		return p.answer(verb, argument, "250 2.0.0 Ok")
	}
	return p.answer(verb, argument, "502 5.5.1 Not known here")
}

func (p *peer) hello(verb string) string {
	if verb == "HELO" {
		return "250 sink.test"
	}
	lines := append([]string{"250 sink.test"}, p.sink.options.Extensions...)
	if p.sink.options.TLS != nil && !p.tls {
		lines = append(lines, "STARTTLS")
	}
	return strings.Join(lines, "\n")
}

func (p *peer) mail(argument string) error {
	ok, err := p.decide("MAIL", argument, "250 2.1.0 Ok")
	if ok {
		p.from, p.to = argument, nil
	}
	return err
}

func (p *peer) startTLS() error {
	if p.sink.options.TLS == nil || p.tls {
		return p.write("502 5.5.1 Not offered")
	}
	ok, err := p.decide("STARTTLS", "", "220 2.0.0 Go ahead")
	if err != nil || !ok {
		return err
	}
	c := tls.Server(p.conn, p.sink.options.TLS)
	if err := c.Handshake(); err != nil {
		return err
	}
	p.conn, p.r, p.tls = c, bufio.NewReader(c), true
	return nil
}

// data takes a message. It is remembered before it is answered, so that a 250 that was seen is never missing here.
func (p *peer) data() error {
	usual := "354 Go ahead"
	if len(p.to) == 0 {
		usual = "503 5.5.1 No recipients"
	}
	ok, err := p.decide("DATA", "", usual)
	if err != nil || !ok {
		return err
	}
	body, err := readBody(p.r)
	if err != nil {
		return err
	}
	defer func() { p.from, p.to = "", nil }()
	m := Message{From: p.from, To: p.to, Data: body, TLS: p.tls}
	if p.sink.options.LMTP {
		return p.endLMTP(m)
	}
	return p.end(m, "")
}

// end answers the dot, for all recipients (SMTP) or for the one given (LMTP).
func (p *peer) end(m Message, argument string) error {
	a := p.sink.ask(Event{Verb: ".", Argument: argument, Connection: p.number})
	m.Taken = !a.Drop && !a.Stall && !a.Endless && (a.Reply == "" || a.Reply[0] == '2')
	p.sink.keep(m)
	_, err := p.perform(a, "250 2.0.0 Ok: taken")
	return err
}

func (p *peer) endLMTP(m Message) error {
	for _, to := range m.To {
		one := m
		one.To = []string{to}
		if err := p.end(one, to); err != nil {
			return err
		}
	}
	return nil
}
