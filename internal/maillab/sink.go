// SPDX-License-Identifier: MIT

package maillab

import (
	"bufio"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// Sink is an SMTP or LMTP server that takes all mail and remembers it, unless its script says otherwise.
type Sink struct {
	options SinkOptions
	ln      net.Listener

	mu       sync.Mutex
	script   Script
	messages []Message
	taken    map[string]int // how often each Message-ID was taken
	conns    map[net.Conn]bool
	total    int // connections since the start
	ending   sync.WaitGroup
}

// SinkOptions say what kind of peer it is. The zero value is a plain SMTP server on a free port.
type SinkOptions struct {
	LMTP       bool        // LHLO, and a reply per recipient after the dot
	TLS        *tls.Config // STARTTLS is offered
	Extensions []string    // EHLO keywords; nil: 8BITMIME, SIZE, PIPELINING, ENHANCEDSTATUSCODES, DSN, SMTPUTF8
	Listener   net.Listener
	Script     Script
	KeepNoBody bool // remember envelopes and Message-IDs alone
}

// Message is what the sink took, or, after a dot that it refused or dropped, what it saw.
type Message struct {
	From  string   // the argument of MAIL, as it came
	To    []string // the arguments of the accepted RCPT commands, as they came
	Data  string   // header and body as they came, dots removed, lines ended by CRLF
	TLS   bool
	Taken bool // it was answered 250
}

// NewSink starts a sink that ends with the test.
func NewSink(t testing.TB, o SinkOptions) *Sink {
	t.Helper()
	if o.Listener == nil {
		o.Listener = Listen(t)
	}
	if o.Extensions == nil {
		o.Extensions = []string{"PIPELINING", "SIZE 104857600", "8BITMIME", "ENHANCEDSTATUSCODES", "DSN", "SMTPUTF8"}
	}
	s := &Sink{options: o, ln: o.Listener, script: o.Script, taken: map[string]int{}, conns: map[net.Conn]bool{}}
	s.ending.Go(s.accept)
	t.Cleanup(s.Close)
	return s
}

// Addr is host:port.
func (s *Sink) Addr() string { return s.ln.Addr().String() }

// Port is the port alone.
func (s *Sink) Port() int { return s.ln.Addr().(*net.TCPAddr).Port }

// Behave gives the sink another script, from the next event on.
func (s *Sink) Behave(script Script) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.script = script
}

// Messages are all messages so far.
func (s *Sink) Messages() []Message {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.messages)
}

// Taken is how often a message with this Message-ID (with its brackets) was answered 250.
func (s *Sink) Taken(id string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.taken[id]
}

// Connections is how many have come since the start.
func (s *Sink) Connections() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.total
}

// Wait waits until n messages were taken.
func (s *Sink) Wait(t testing.TB, n int) []Message {
	t.Helper()
	var got []Message
	Wait(t, Patience, "message at the sink", func() bool {
		got = slices.DeleteFunc(s.Messages(), func(m Message) bool { return !m.Taken })
		return len(got) >= n
	})
	return got
}

// Close ends the sink and all its connections.
func (s *Sink) Close() {
	s.ln.Close()
	s.mu.Lock()
	for c := range s.conns {
		c.Close()
	}
	s.mu.Unlock()
	s.ending.Wait()
}

func (s *Sink) accept() {
	for {
		c, err := s.ln.Accept()
		if err != nil {
			return
		}
		s.mu.Lock()
		s.conns[c] = true
		s.total++
		s.mu.Unlock()
		s.ending.Go(func() {
			defer s.forget(c)
			newPeer(s, c).serve()
		})
	}
}

func (s *Sink) forget(c net.Conn) {
	c.Close()
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.conns, c)
}

// ask lets the script answer an event.
func (s *Sink) ask(e Event) Action {
	s.mu.Lock()
	script := s.script
	s.mu.Unlock()
	if script == nil {
		return Action{}
	}
	return script(e)
}

// keep remembers a message.
func (s *Sink) keep(m Message) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if m.Taken {
		s.taken[MessageID(m.Data)]++
	}
	if s.options.KeepNoBody {
		m.Data = ""
	}
	s.messages = append(s.messages, m)
}

// MessageID is the value of the first Message-ID field of a message.
func MessageID(data string) string {
	header, _, _ := strings.Cut(data, "\r\n\r\n")
	for line := range strings.SplitSeq(header, "\r\n") {
		if name, value, ok := strings.Cut(line, ":"); ok && strings.EqualFold(name, "Message-ID") {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

// errEnd ends a conversation.
var errEnd = errors.New("end of the conversation")

// readBody reads dot-stuffed lines up to the dot.
func readBody(r *bufio.Reader) (string, error) {
	var body strings.Builder
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			return "", err
		}
		if line == ".\r\n" {
			return body.String(), nil
		}
		body.WriteString(strings.TrimPrefix(line, "."))
		if body.Len() > 256<<20 {
			return "", io.ErrShortBuffer
		}
	}
}

// never is longer than any test, and shorter than a forgotten one.
const never = 10 * time.Minute
