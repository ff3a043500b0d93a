// SPDX-License-Identifier: MIT

package smtpclient

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"posthouse/reply"
)

// blockSize is what one write of a body takes. A small message, its dot included, is one write.
const blockSize = 64 << 10

// minRate, in octets a second, is what a receiver has to take on the whole, beside the time-out of each block: Postfix's
// smtp_min_data_rate.
const minRate = 500

var blocks = sync.Pool{New: func() any { return &block{make([]byte, 0, blockSize)} }}

type block struct{ data []byte }

// content sends the message and the final dot. A message that cannot be read to its end gets no dot, so that no one keeps
// a part of it for the whole.
func (t *transaction) content() error {
	t.doing = "sending the message"
	if t.conn.show != nil {
		t.conn.show(fmt.Sprintf("C: (%d octets)", t.size))
	}
	b := blocks.Get().(*block)
	defer blocks.Put(b)
	limit := t.conn.options.Timeouts.Block
	total := limit + time.Duration(t.size/minRate)*time.Second
	s := &stuffer{wire: &t.conn.wire, limit: limit, until: time.Now().Add(total), buf: b.data[:0], lineStart: true}
	if err := t.copyTo(s); err != nil {
		return t.lastWords(err)
	}
	if err := s.end(); err != nil {
		return t.lastWords(err)
	}
	return nil
}

func (t *transaction) copyTo(s *stuffer) error {
	r, err := t.msg.Open()
	if err != nil {
		return fmt.Errorf("%w: %w", ErrMessage, err)
	}
	defer r.Close()
	n, err := io.Copy(s, r)
	switch {
	case s.err != nil:
		return s.err
	case err != nil:
		return fmt.Errorf("%w: %w", ErrMessage, err)
	case n != t.size:
		return fmt.Errorf("%w: it has %d octets instead of %d", ErrMessage, n, t.size)
	}
	return nil
}

// lastWords looks for a reply that explains why the server took no more, a refusal of size most likely.
func (t *transaction) lastWords(err error) error {
	if errors.Is(err, ErrMessage) {
		return err
	}
	r, none := t.conn.reply(min(lastWordsLimit, t.conn.options.Timeouts.Command), nil)
	if none != nil || !r.Temporary() && !r.Permanent() {
		return err
	}
	if r.Code != 421 && t.goAhead {
		t.settle(accepted, r)
	}
	return closing{Soften(r)}
}

const lastWordsLimit = 2 * time.Second

// Soften makes a permanent reply temporary, for those that it was not said to: a greeting of 554 is about us, or the host,
// and not about the mail.
func Soften(r reply.Reply) reply.Reply {
	if r.Permanent() {
		r.Code -= 100
		if r.Enhanced != "" {
			r.Enhanced = "4" + r.Enhanced[1:]
		}
	}
	return r
}

// stuffer writes a message as DATA wants it (RFC 5321 4.5.2): a dot at the beginning of a line is doubled. Lines that end
// in a bare LF count too, since there are receivers that would take LF.LF for the end.
type stuffer struct {
	wire      *wire
	limit     time.Duration
	until     time.Time
	buf       []byte
	lineStart bool
	last      [2]byte
	err       error
}

// Write takes what it is given in as few writes as possible: large stretches go out as they are.
func (s *stuffer) Write(p []byte) (int, error) {
	taken := len(p)
	for len(p) > 0 {
		if s.lineStart && p[0] == '.' {
			s.add(dot)
		}
		n := len(p)
		if i := bytes.Index(p, lfDot); i >= 0 {
			n = i + 1
		}
		s.add(p[:n])
		s.lineStart = p[n-1] == '\n'
		s.note(p[:n])
		p = p[n:]
	}
	return taken, s.err
}

var dot, lfDot = []byte("."), []byte("\n.")

// note keeps the last two octets, to know how the message ends.
func (s *stuffer) note(p []byte) {
	if len(p) > 1 {
		s.last[0] = p[len(p)-2]
	} else {
		s.last[0] = s.last[1]
	}
	s.last[1] = p[len(p)-1]
}

// add puts p into the buffer and sends it whenever it is full. What finds it empty and would fill it goes out uncopied.
func (s *stuffer) add(p []byte) {
	for room := cap(s.buf) - len(s.buf); len(p) > room; room = cap(s.buf) {
		if len(s.buf) == 0 {
			s.send(p[:room])
		} else {
			s.buf = append(s.buf, p[:room]...)
			s.flush()
		}
		p = p[room:]
	}
	s.buf = append(s.buf, p...)
}

func (s *stuffer) flush() {
	s.send(s.buf)
	s.buf = s.buf[:0]
}

// send writes within the time-out of a block and what is left of the whole; after the first error it does nothing.
func (s *stuffer) send(p []byte) {
	if s.err != nil || len(p) == 0 {
		return
	}
	s.err = s.wire.write(p, min(s.limit, time.Until(s.until)))
}

// end completes the last line and sends the dot.
func (s *stuffer) end() error {
	if s.last != [2]byte{'\r', '\n'} {
		s.add([]byte("\r\n"))
	}
	s.add([]byte(".\r\n"))
	s.flush()
	return s.err
}
