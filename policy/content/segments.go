// SPDX-License-Identifier: MIT

package content

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"

	"posthouse/mail"
)

const (
	blockSize = 32 << 10
	maxPiece  = 2048 // octets of a line that are looked at in one (Postfix's line_length_limit), its end included
)

// piece is a line of the body, or some of a longer one.
type piece struct {
	text       []byte // without the line's end
	start, end int64  // in the body; the line's end lies before end
	last       bool   // the line ends with it
}

// segments is the state in which a body is read: in the header of a part, or in its text.
type segments struct {
	x       *examination
	e       *editor
	inText  bool
	class   class // of the header it is in
	content kind  // of the part
	open    []boundary
	seen    int64 // octets of the part's text so far, a line's end as one
	within  bool  // the line goes on
	begun   bool  // and something of it stays

	key        []byte // the field that is being gathered
	start, end int64
}

// run reads the body as long as anything in it can still matter.
func (s *segments) run(ctx context.Context, body mail.Body, e *editor) error {
	r, err := body.Open()
	if err != nil {
		return err
	}
	defer r.Close()
	s.e = e
	in := bufio.NewReaderSize(r, blockSize)
	if err := s.take(piece{last: true}); err != nil { // the empty line that ends the header
		return err
	}
	for at, n := int64(0), 0; !s.idle(); n++ {
		p, err := next(in, at)
		switch {
		case errors.Is(err, io.EOF):
			return s.flush()
		case err != nil:
			return err
		case n%1024 == 0 && ctx.Err() != nil:
			return context.Cause(ctx)
		}
		at = p.end
		if err := s.take(p); err != nil {
			return err
		}
	}
	return nil
}

// idle reports that nothing more will be asked: no boundary can bring a header, and the text was looked at for long enough.
func (s *segments) idle() bool {
	return s.x.over || s.inText && len(s.open) == 0 && (s.x.checks.Body == nil || s.seen >= s.x.checks.BodySize)
}

// next is the piece at an offset, cut as Postfix's smtpd does: its bound counts the line's end, which stays whole.
func next(in *bufio.Reader, at int64) (piece, error) {
	b, err := in.Peek(maxPiece + 1)
	if len(b) == 0 {
		return piece{}, err
	}
	if err != nil && !errors.Is(err, io.EOF) {
		return piece{}, err
	}
	n, p := min(len(b), maxPiece), piece{start: at}
	if i := bytes.IndexByte(b[:n], '\n'); i >= 0 {
		n, p.last = i+1, true
	} else if len(b) > n && b[n-1] == '\r' && b[n] == '\n' {
		n, p.last = n+1, true
	}
	p.text, p.end = b[:n], at+int64(n)
	if p.last {
		p.text = bytes.TrimRight(p.text[:n-1], "\r")
	}
	p.last = p.last || len(b) == n && err != nil
	_, err = in.Discard(n)
	return p, err
}

// take is mime_state_update() of Postfix. The piece's text is not kept.
func (s *segments) take(p piece) error {
	if !s.inText {
		if s.continues(p) {
			return nil
		}
		if err := s.flush(); err != nil {
			return err
		}
		if nameLength(p.text) > 0 {
			s.key, s.start, s.end, s.within = addLine(s.key, p.text), p.start, p.end, !p.last
			return nil
		}
		s.endHeader(len(p.text) == 0)
	}
	if !s.within {
		s.boundary(p.text)
	}
	return s.line(p)
}

// continues adds to the field that is being gathered.
func (s *segments) continues(p piece) bool {
	switch {
	case len(s.key) == 0:
		return false
	case s.within && len(s.key) < maxKey:
		s.key = append(s.key, p.text...)
	case s.within:
	case len(p.text) > 0 && (p.text[0] == ' ' || p.text[0] == '\t'):
		s.key = addLine(s.key, p.text)
	default:
		return false
	}
	s.end, s.within = p.end, !p.last
	return true
}

// flush asks about the field that was gathered.
func (s *segments) flush() error {
	if len(s.key) == 0 {
		return nil
	}
	key := string(s.key)
	s.key, s.within = s.key[:0], false
	s.note(key)
	e := s.x.ask(s.x.view(s.class, key), inHeader, key)
	switch {
	case e.before != "":
		return s.e.change(s.start, s.start, e.before)
	case e.replace:
		return s.e.change(s.start, s.end, e.text)
	case e.drop:
		return s.e.change(s.start, s.end, "")
	}
	return nil
}

// endHeader goes on in the part's text, or in the header of the message that is attached. A line that is no field ends a
// header too, but then the text counts as begun long ago.
func (s *segments) endHeader(empty bool) {
	s.inText = true
	if !empty {
		return
	}
	s.seen = 0
	switch s.content {
	case isMessage:
		s.inText, s.class = false, nested
		s.content = isText
	case isMultipart:
		s.content = isText
	}
}

// line asks about a piece of text. It is called for the lines of boundaries too, as in Postfix.
func (s *segments) line(p piece) error {
	e := edit{}
	if s.seen < s.x.checks.BodySize {
		e = s.x.ask(s.x.checks.Body, inBody, string(p.text))
	}
	s.seen += int64(len(p.text)) + 1
	begun := s.begun && s.within
	s.within = !p.last
	s.begun = begun || !e.drop
	switch {
	case e.before != "":
		return s.e.change(p.start, p.start, e.before)
	case e.replace && p.last:
		return s.e.change(p.start, p.end, e.text)
	case e.replace:
		return s.e.change(p.start, p.end, e.text[:len(e.text)-2])
	case e.drop && p.last && begun: // of a long line, the end goes, but not its line's end (Postfix loses that)
		return s.e.change(p.start, p.end, "\r\n")
	case e.drop:
		return s.e.change(p.start, p.end, "")
	}
	return nil
}
