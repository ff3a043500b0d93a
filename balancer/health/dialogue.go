// SPDX-License-Identifier: MIT

package health

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"time"
)

// Bounds of what a server may say in one check. The longest lines of real ones are capabilities of some hundred octets.
const (
	maxLine    = 4096        // octets, with the end of the line
	maxLines   = 256         // of one answer
	maxOctets  = 64 << 10    // of the whole check, TLS's own among them
	maxShown   = 100         // octets of an answer in an error
	byeTimeout = time.Second // for the answer to the goodbye, which nothing depends on
)

// dialogue is one conversation of lines.
type dialogue struct {
	ctx   context.Context
	raw   net.Conn // the bounded connection; what TLS works on
	conn  net.Conn // raw, or TLS over it
	in    *bufio.Reader
	hello string
}

func newDialogue(ctx context.Context, conn net.Conn, hello string) *dialogue {
	b := &bounded{Conn: conn, left: maxOctets}
	return &dialogue{ctx: ctx, raw: b, conn: b, in: bufio.NewReaderSize(b, maxLine), hello: hello}
}

// bounded is a connection that gives no more than so many octets.
type bounded struct {
	net.Conn
	left int
}

var errTooMuch = errors.New("the server talks without end: over 64 KiB in one check")

func (b *bounded) Read(p []byte) (int, error) {
	if b.left <= 0 {
		return 0, errTooMuch
	}
	n, err := b.Conn.Read(p[:min(len(p), b.left)])
	b.left -= n
	return n, err
}

// say sends a command and reads its answer.
func (d *dialogue) say(command string, answer func() ([]string, error)) ([]string, error) {
	if _, err := io.WriteString(d.conn, command+"\r\n"); err != nil {
		return nil, fmt.Errorf("sending %s: %w", command, err)
	}
	lines, err := answer()
	if err != nil {
		return nil, fmt.Errorf("answer to %s: %w", command, err)
	}
	return lines, nil
}

// line reads one line, without its end.
func (d *dialogue) line() (string, error) {
	b, err := d.in.ReadSlice('\n')
	switch {
	case err != nil && d.ctx.Err() != nil && len(b) > 0:
		return "", fmt.Errorf("in time only %s came", shown(string(b)))
	case err != nil && d.ctx.Err() != nil:
		return "", errors.New("nothing came in time")
	case errors.Is(err, bufio.ErrBufferFull):
		return "", fmt.Errorf("a line of over %d octets: %s", maxLine, shown(string(b)))
	case errors.Is(err, io.EOF) && len(b) > 0:
		return "", fmt.Errorf("the server closed the connection behind %s", shown(string(b)))
	case errors.Is(err, io.EOF):
		return "", errors.New("the server closed the connection")
	case err != nil:
		return "", err
	}
	return strings.TrimSuffix(string(b[:len(b)-1]), "\r"), nil
}

// lines reads until a line is the last, and returns what each says. judge gets each line; last ends the answer.
func (d *dialogue) lines(judge func(line string) (text string, last bool, err error)) ([]string, error) {
	var all []string
	for range maxLines {
		line, err := d.line()
		if err != nil {
			return nil, err
		}
		text, last, err := judge(line)
		if err != nil {
			return nil, err
		}
		all = append(all, text)
		if last {
			return all, nil
		}
	}
	return nil, fmt.Errorf("an answer of over %d lines", maxLines)
}

// handshake goes on in TLS.
func (d *dialogue) handshake(c *tls.Config) error {
	t := tls.Client(d.raw, c)
	if err := t.HandshakeContext(d.ctx); err != nil {
		return fmt.Errorf("TLS for %s: %w", c.ServerName, noTLS(err))
	}
	d.conn = t
	d.in.Reset(t)
	return nil
}

// noTLS tells what a server said that speaks no TLS.
func noTLS(err error) error {
	var plain tls.RecordHeaderError
	if errors.As(err, &plain) && plain.Conn != nil {
		return fmt.Errorf("the server does not speak TLS there; it began with %s", shown(string(plain.RecordHeader[:])))
	}
	return err
}

// goodbye is said for the server's log; what it answers is its own affair.
func (d *dialogue) goodbye(command string) {
	_ = d.conn.SetDeadline(time.Now().Add(byeTimeout))
	if _, err := io.WriteString(d.conn, command+"\r\n"); err != nil {
		return
	}
	for range maxLines {
		if _, err := d.line(); err != nil {
			return // it closed: that is the answer that ends it
		}
	}
}

// unexpected is the error of an answer that is not what it should be.
func unexpected(want, got string) error { return fmt.Errorf("expected %s, got %s", want, shown(got)) }

// shown is a server's text for a log: quoted, in ASCII, and shortened.
func shown(s string) string {
	if len(s) > maxShown {
		return strconv.QuoteToASCII(s[:maxShown]) + "..."
	}
	return strconv.QuoteToASCII(s)
}
