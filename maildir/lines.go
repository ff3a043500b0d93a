// SPDX-License-Identifier: MIT

package maildir

import (
	"bytes"
	"context"
	"io"

	"posthouse/mail"
)

// lines writes CRLF lines as LF lines, until ctx ends. A CR alone stays.
type lines struct {
	ctx context.Context
	w   io.Writer
	n   int64 // octets written
	cr  bool  // the last octet was a CR, kept back until the next is known
	out []byte
}

// message writes all of msg, in the blocks in which its body comes.
func (l *lines) message(msg *mail.Message) error {
	in, err := msg.Open()
	if err != nil {
		return err
	}
	defer in.Close()
	if _, err := io.Copy(l, in); err != nil {
		return err
	}
	return l.end()
}

// Write implements io.Writer.
func (l *lines) Write(p []byte) (int, error) {
	if err := l.ctx.Err(); err != nil {
		return 0, err
	}
	l.out = l.out[:0]
	for rest := p; len(rest) > 0; {
		rest = l.next(rest)
	}
	return len(p), l.flush()
}

// next takes what stands before the next CR, and that CR, off p.
func (l *lines) next(p []byte) []byte {
	if l.cr {
		if p[0] != '\n' {
			l.out = append(l.out, '\r')
		}
		l.cr = false
	}
	i := bytes.IndexByte(p, '\r')
	if i < 0 {
		l.out = append(l.out, p...)
		return nil
	}
	l.out = append(l.out, p[:i]...)
	l.cr = true
	return p[i+1:]
}

// end writes a CR that nothing followed.
func (l *lines) end() error {
	l.out = l.out[:0]
	if l.cr {
		l.out = append(l.out, '\r')
	}
	return l.flush()
}

func (l *lines) flush() error {
	n, err := l.w.Write(l.out)
	l.n += int64(n)
	return err
}
