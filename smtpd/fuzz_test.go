// SPDX-License-Identifier: MIT

package smtpd

import (
	"context"
	"fmt"
	"io"
	"net"
	"regexp"
	"strings"
	"testing"
	"time"

	"posthouse/config"
	"posthouse/internal/listen"
)

// replyLine is what every line of ours must look like.
var replyLine = regexp.MustCompile(`^[2-5][0-9][0-9]([ -][ -~]*)\r\n$`)

// FuzzSession runs whole sessions of arbitrary octets, each twice, cut into packets differently. Whatever comes:
//   - replies are well-formed, and nothing panics;
//   - every message that the service got was promised by id, and the other way round;
//   - its text stands in what was sent, dots and all, between CRLF and CRLF.CRLF, and has no stray newline;
//   - it is the same however the network cuts the stream.
func FuzzSession(f *testing.F) {
	for _, s := range sessions {
		f.Add([]byte(s), uint16(7))
	}
	f.Fuzz(func(t *testing.T, sent []byte, cut uint16) {
		if len(sent) > 64<<10 {
			return
		}
		whole := runSession(t, sent, len(sent)+1)
		parts := runSession(t, sent, int(cut%512)+1)
		if len(whole) != len(parts) {
			t.Fatalf("%d messages in one packet, %d in pieces of %d", len(whole), len(parts), cut%512+1)
		}
		for i := range whole {
			if a, b := whole[i], parts[i]; body(a) != body(b) || fmt.Sprint(paths(a)) != fmt.Sprint(paths(b)) {
				t.Fatalf("message %d differs: %q %v, %q %v", i, body(a), paths(a), body(b), paths(b))
			}
		}
	})
}

var sessions = []string{
	"EHLO c.test\r\nMAIL FROM:<a@c.test> SIZE=100 BODY=8BITMIME\r\nRCPT TO:<b@o.test>\r\nDATA\r\nSubject: x\r\n\r\n..\r\ntext\r\n.\r\nQUIT\r\n",
	"HELO c.test\r\nMAIL FROM:<>\r\nRCPT TO:<postmaster>\r\nDATA\r\n\r\n.\r\nRSET\r\nNOOP\r\nVRFY x\r\nQUIT\r\n",
	"EHLO c.test\r\nMAIL FROM:<a@c.test>\r\nRCPT TO:<b@o.test>\r\nDATA\r\nx\n.\nMAIL FROM:<e@c.test>\r\n.\r\n",
	"EHLO c.test\r\nMAIL FROM:<a@c.test>\r\nRCPT TO:<b@o.test>\r\nDATA\r\nx\r\r\n.\r\nMAIL FROM:<e@c.test>\r\n",
	"EHLO c.test\r\nMAIL FROM:<a@c.test> SMTPUTF8 RET=HDRS ENVID=x+2By\r\nRCPT TO:<\xc3\xa9@o.test> NOTIFY=SUCCESS ORCPT=utf-8;a@b\r\nDATA\r\n.\r\n",
	"EHLO c.test\r\nMAIL FROM:<\"a\\\" b\"@c.test>\r\nRCPT TO:<\"x> y\"@o.test>\r\nDATA\r\n.\r\nBDAT 3 LAST\r\nabc",
	"EHLO c.test\r\nAUTH PLAIN AHUAcA==\r\nMAIL FROM:<a@c.test>\r\nRCPT TO:<b@o.test>\r\nDATA\r\na\nb\r\n.\r\n",
	"EHLO c.test\r\nAUTH LOGIN\r\ndQ==\r\ncA==\r\nSTARTTLS\r\nQUIT\r\n",
	"EHLO c.test\r\nAUTH LOGIN\r\n*\r\nMAIL FROM:<a@c.test>\r\nMAIL FROM:<b@c.test>\r\nRCPT TO:<@x,@y:b@o.test>\r\nDATA\r\n\r\n.\r\n",
	"GET / HTTP/1.0\r\n\r\n", "EHLO [IPv6:::1]\r\nEHLO\r\nXXXX\r\n\r\n\x00\r\n",
}

// fuzzServer is a server that lets everybody do everything, for one session.
func fuzzServer(t *testing.T, r *recorder) (*Server, net.Listener) {
	t.Helper()
	o := Options{Name: "fuzz", Service: r, Spool: memorySpool{}, Config: testConfig(), PlainAuth: true}
	o.Config.CommandTimeout = config.Duration(5 * time.Second)
	s, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return s, l
}

// runSession sends octets in pieces and returns the messages that arrived, after checking each alone.
func runSession(t *testing.T, sent []byte, piece int) []received {
	t.Helper()
	r := &recorder{onAuth: func(user, _ string) (string, error) { return user, nil }}
	s, l := fuzzServer(t, r)
	served := make(chan error, 1)
	go func() { served <- s.Serve(l, listen.Config{}) }()
	heard := converse(t, l.Addr().String(), sent, piece)
	if err := s.Shutdown(context.Background()); err != nil {
		t.Fatal(err)
	}
	if err := <-served; err != nil {
		t.Fatal(err)
	}
	check(t, string(sent), heard, r.got())
	return r.got()
}

func converse(t *testing.T, addr string, sent []byte, piece int) string {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
	go func() {
		for rest := sent; len(rest) > 0; {
			n := min(piece, len(rest))
			if _, err := conn.Write(rest[:n]); err != nil {
				break // it has had enough
			}
			rest = rest[n:]
		}
		_ = conn.(*net.TCPConn).CloseWrite()
	}()
	heard, _ := io.ReadAll(conn) // a reset is an end too
	return string(heard)
}

func check(t *testing.T, sent, heard string, got []received) {
	t.Helper()
	promised := 0
	for line := range strings.Lines(heard) {
		if !replyLine.MatchString(line) {
			t.Fatalf("malformed reply %q", line)
		}
		if strings.HasPrefix(line, "421 4.3.0") {
			t.Fatalf("a panic: %q", line)
		}
		if strings.HasPrefix(line, "250 2.0.0 Ok: queued as ") {
			promised++
		}
	}
	if promised > len(got) {
		t.Fatalf("%d promised, %d received", promised, len(got))
	}
	for _, m := range got {
		checkMessage(t, sent, m)
	}
}

func checkMessage(t *testing.T, sent string, m received) {
	t.Helper()
	if len(m.env.Recipients) == 0 {
		t.Fatal("a message without recipients")
	}
	text := body(m)
	stuffed := strings.TrimPrefix(strings.ReplaceAll("\r\n"+text, "\r\n.", "\r\n.."), "\r\n")
	if strings.Contains(strings.ReplaceAll(text, "\r\n", ""), "\n") || strings.Contains(strings.ReplaceAll(text, "\r\n", ""), "\r") {
		t.Fatalf("a stray newline in %q", text)
	}
	if m.env.Client.Login != "" {
		return // put right, so it may differ
	}
	joined := func(s string) string { // Receive puts an empty line where none was; a dot at a line's start goes, stuffed or not
		return strings.ReplaceAll(strings.ReplaceAll(s, "\r\n.", "\r\n"), "\r\n", "")
	}
	if !strings.Contains(joined(sent), joined("\r\n"+stuffed)) || !strings.Contains(sent, "\r\n.\r\n") {
		t.Fatalf("%q was never sent", stuffed)
	}
}

// body is a message without our own field, which is folded.
func body(m received) string {
	_, rest, _ := strings.Cut(m.text, "\r\n")
	for strings.HasPrefix(rest, "\t") || strings.HasPrefix(rest, " ") {
		_, rest, _ = strings.Cut(rest, "\r\n")
	}
	return rest
}

func paths(m received) (out []string) {
	out = append(out, m.env.From.Wire())
	for _, r := range m.env.Recipients {
		out = append(out, r.To.Wire())
	}
	return out
}
