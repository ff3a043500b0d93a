// SPDX-License-Identifier: MIT

package maillab

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// Dialogue plays conversations that stand in text files against a server, byte for byte. Their lines are
//
//	# a remark
//	C: MAIL FROM:<a@b.test>    is sent, with CRLF
//	C| MAIL FROM:<a@b.test>    is sent, with what follows, in one write
//	B: one\ntwo\r\n.\r\n        is sent as it is, with Go's escapes
//	S: 250 2.1.0               the last line of the next reply begins so
//	S~ STARTTLS                it stands in the reply that came last
//	TLS                        the conversation goes on in TLS
//	--                         and on another connection
//	Q: <a@b.test> -> <c@d.test>   what was queued, oldest first: a line for each recipient
//	Q: nothing
//	L: status=discarded        a line with all these words was logged
type Dialogue struct {
	Address string
	TLS     *tls.Config
	Carrier *Carrier
	Log     *Log
}

// PlayAll plays each file of a pattern in a test of its own, against a server of its own.
func PlayAll(t *testing.T, pattern string, start func(t *testing.T) Dialogue) {
	t.Helper()
	files, err := filepath.Glob(pattern)
	if err != nil || len(files) == 0 {
		t.Fatalf("no dialogue in %s: %v", pattern, err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			t.Parallel()
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			start(t).Play(t, file, string(text))
		})
	}
}

// Play plays one dialogue; where is what complaints call it.
func (d Dialogue) Play(t *testing.T, where, text string) {
	t.Helper()
	p := player{Dialogue: d}
	defer func() { p.conn.Close() }()
	err := p.connect()
	n, lines := 0, strings.Split(strings.TrimSuffix(text, "\n"), "\n")
	for ; err == nil && n < len(lines); n++ {
		err = p.play(lines[n])
	}
	if err == nil {
		err = p.queued("Q: nothing")
	}
	if err != nil {
		t.Fatalf("%s:%d: %v", where, n, err)
	}
}

// player is one dialogue under way.
type player struct {
	Dialogue
	conn    net.Conn
	in      *bufio.Reader
	pending string   // to be sent with the next line
	last    string   // reply
	queue   []string // lines of the mail that Q lines are about
}

func (p *player) connect() error {
	conn, err := net.DialTimeout("tcp", p.Address, Patience)
	if err != nil {
		return err
	}
	if p.conn != nil {
		p.conn.Close()
	}
	return p.on(conn)
}

// on goes on with a connection.
func (p *player) on(conn net.Conn) error {
	p.conn, p.in = conn, bufio.NewReader(conn)
	return conn.SetDeadline(time.Now().Add(Patience))
}

func (p *player) play(line string) error {
	command, rest, _ := strings.Cut(line, " ")
	switch command {
	case "", "#":
		return nil
	case "C:", "C|":
		return p.send(command, rest)
	case "B:":
		return p.sendRaw(rest)
	case "S:":
		return p.expect(rest)
	case "S~":
		if !strings.Contains(p.last, rest) {
			return fmt.Errorf("%q does not stand in %q", rest, p.last)
		}
		return nil
	case "TLS":
		return p.secure()
	case "--":
		return p.connect()
	case "Q:":
		return p.queued(line)
	case "L:":
		if !p.Log.Has(strings.Fields(rest)...) {
			return fmt.Errorf("not in the log: %s\n%s", rest, p.Log)
		}
		return nil
	}
	return fmt.Errorf("%q is no line of a dialogue", line)
}

func (p *player) send(command, line string) error {
	p.pending += line + "\r\n"
	if command == "C|" {
		return nil
	}
	_, err := io.WriteString(p.conn, p.pending)
	p.pending = ""
	return err
}

func (p *player) sendRaw(escaped string) error {
	raw, err := strconv.Unquote(`"` + escaped + `"`)
	if err != nil {
		return fmt.Errorf("%s: %w", escaped, err)
	}
	_, err = io.WriteString(p.conn, raw)
	return err
}

// expect reads a reply.
func (p *player) expect(prefix string) error {
	p.last = ""
	for {
		line, err := p.in.ReadString('\n')
		p.last += line
		if err != nil {
			return fmt.Errorf("instead of %q: %w after %q", prefix, err, p.last)
		}
		if len(line) < 4 || line[3] != '-' {
			if !strings.HasPrefix(line, prefix) {
				return fmt.Errorf("got %q instead of %q\n%s", p.last, prefix, p.Log)
			}
			return nil
		}
	}
}

func (p *player) secure() error {
	conn := tls.Client(p.conn, p.TLS)
	if err := conn.Handshake(); err != nil {
		return err
	}
	return p.on(conn)
}

// queued compares a line with the next one of the mail that was queued.
func (p *player) queued(want string) error {
	if len(p.queue) == 0 {
		m, _ := p.Carrier.Next()
		p.queue = m.Lines()
	}
	got := "Q: nothing"
	if len(p.queue) > 0 {
		got, p.queue = "Q: "+p.queue[0], p.queue[1:]
	}
	if got != want {
		return fmt.Errorf("queued is\n%s, not\n%s", got, want)
	}
	return nil
}
