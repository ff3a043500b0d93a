// SPDX-License-Identifier: MIT

package smtpd

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"posthouse/internal/listen"
	"posthouse/mail"
	"posthouse/reply"
)

// TestG1RefusedAtConnect: go-smtp has no hook before its banner, and a fixed one.
func TestG1RefusedAtConnect(t *testing.T) {
	t.Parallel()
	r := &recorder{onConnect: func(c *mail.Client) error {
		if !c.Addr.Addr().IsLoopback() {
			t.Errorf("client %s", c.Addr)
		}
		return reply.Rejected
	}}
	p := start(t, r, nil).silent()
	p.want("554 5.7.1")
	p.end()
}

func TestG1Banner(t *testing.T) {
	t.Parallel()
	p := start(t, &recorder{}, nil).silent()
	if s := p.reply(); s != "220 mx.test ESMTP (node.test)\r\n" {
		t.Errorf("banner %q", s)
	}
}

// TestG2OwnName: RFC 5321 4.1.1.1 wants our name first, go-smtp says the client's.
func TestG2OwnName(t *testing.T) {
	t.Parallel()
	w := start(t, &recorder{}, nil)
	p := w.dial()
	want := []string{
		"250-mx.test (node.test)", "250-PIPELINING", "250-SIZE 52428800", "250-STARTTLS", "250-ENHANCEDSTATUSCODES",
		"250-8BITMIME", "250-DSN", "250-SMTPUTF8", "250 LIMITS RCPTMAX=1000",
	}
	if got := p.do("EHLO client.test\r\n", "250 "); got != strings.Join(want, "\r\n")+"\r\n" {
		t.Errorf("EHLO: %q", got)
	}
	if got := p.do("HELO client.test\r\n", "250 "); got != "250 mx.test (node.test)\r\n" {
		t.Errorf("HELO: %q", got)
	}
}

// TestG3UnknownCommands: go-smtp calls words that are not of four letters mangled, and leaves after the fourth.
func TestG3UnknownCommands(t *testing.T) {
	t.Parallel()
	p := start(t, &recorder{}, nil).hello()
	for _, line := range []string{"", "X", "FOO", "HELLO x", "XYZZY plugh", "MAIL\tFROM:<a@b.test>", "\x80"} {
		p.do(line+"\r\n", "500 5.5.2")
	}
	for _, line := range []string{"EXPN x", "HELP", "ETRN x", "XCLIENT ADDR=192.0.2.1", "TURN"} {
		p.do(line+"\r\n", "502 5.5.1")
	}
	p.do("GET / HTTP/1.1\r\nHost: mx.test\r\n", "500 5.5.2")
	p.end()
}

// TestG4Limits: go-smtp has none, neither in all nor for one client.
func TestG4Limits(t *testing.T) {
	t.Parallel()
	t.Run("all", func(t *testing.T) {
		t.Parallel()
		w := start(t, &recorder{}, func(o *Options, _ *listen.Config) { o.Config.MaxConnections = 1 })
		w.dial()
		p := w.silent()
		p.want("421 4.7.0")
		p.end()
	})
	t.Run("count", func(t *testing.T) {
		t.Parallel()
		w := start(t, &recorder{}, func(o *Options, _ *listen.Config) { o.Config.ClientConnectionCountLimit = 1 })
		first := w.dial()
		p := w.silent()
		p.want("421 4.7.0")
		p.end()
		first.do("QUIT\r\n", "221 ")
		first.end()
		eventually(t, "the place is free again", func() bool { return w.silent().reply()[:3] == "220" })
	})
	t.Run("rate", func(t *testing.T) {
		t.Parallel()
		w := start(t, &recorder{}, func(o *Options, _ *listen.Config) { o.Config.ClientConnectionRateLimit = 2 })
		w.dial()
		w.dial()
		p := w.silent()
		p.want("421 4.7.0")
		p.end()
	})
	t.Run("messages", func(t *testing.T) {
		t.Parallel()
		p := start(t, &recorder{}, func(o *Options, _ *listen.Config) { o.Config.ClientMessageRateLimit = 1 }).hello()
		p.do("MAIL FROM:<a@client.test>\r\n", "250 ")
		p.do("RSET\r\n", "250 ")
		p.do("MAIL FROM:<a@client.test>\r\n", "450 4.7.1")
	})
	t.Run("exempt", func(t *testing.T) {
		t.Parallel()
		w := start(t, &recorder{}, func(o *Options, _ *listen.Config) {
			o.Mynetworks = loopback
			o.Config.ClientConnectionCountLimit, o.Config.ClientConnectionRateLimit, o.Config.ClientMessageRateLimit = 1, 1, 1
		})
		for range 3 {
			w.hello().do("MAIL FROM:<a@client.test>\r\n", "250 ")
		}
	})
}

// TestG5Shutdown: go-smtp tells clients nothing and waits for them. Ours hear 421 when idle; a transaction ends first.
func TestG5Shutdown(t *testing.T) {
	t.Parallel()
	r := &recorder{}
	w := start(t, r, nil)
	idle, busy, fresh := w.hello(), w.hello(), w.dial()
	busy.data()
	busy.send("Subject: x\r\n")
	done := make(chan error, 1)
	go func() { done <- w.server.Shutdown(context.Background()) }()
	for _, p := range []*peer{idle, fresh} {
		p.want("421 4.3.2")
		p.end()
	}
	busy.do("\r\ntext\r\n.\r\n", "250 2.0.0")
	busy.want("421 4.3.2")
	busy.end()
	if err := <-done; err != nil {
		t.Errorf("Shutdown: %v", err)
	}
	if _, err := net.Dial("tcp", w.addr); err == nil {
		t.Error("it still listens")
	}
	if n := len(r.got()); n != 1 {
		t.Errorf("%d messages", n)
	}
}

// TestG5ShutdownWaitsNoLonger: a client in a transaction that says nothing is cut off when the time is up.
func TestG5ShutdownWaitsNoLonger(t *testing.T) {
	t.Parallel()
	w := start(t, &recorder{}, nil)
	p := w.hello()
	p.data()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := w.server.Shutdown(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Shutdown: %v", err)
	}
	p.gone()
}

// TestG6RefusalBeforeText: go-smtp says 354 before anyone is asked.
func TestG6RefusalBeforeText(t *testing.T) {
	t.Parallel()
	r := &recorder{onData: func(*mail.Envelope) error { return reply.Rejected }}
	w := start(t, r, nil)
	p := w.hello()
	p.do("MAIL FROM:<a@client.test>\r\n", "250 ")
	p.do("RCPT TO:<b@ours.test>\r\n", "250 ")
	p.do("DATA\r\n", "554 5.7.1")
	p.do("NOOP\r\n", "250 ")

	p = w.hello() // with the text already on its way it must not be run as commands
	p.send("MAIL FROM:<a@client.test>\r\nRCPT TO:<b@ours.test>\r\nDATA\r\nNOOP\r\n.\r\n")
	p.want("250 ")
	p.want("250 ")
	p.want("554 5.7.1")
	p.end()
}

// TestG7WrappedReply: go-smtp finds its errors by type assertion and shows the inside of a wrapped one.
func TestG7WrappedReply(t *testing.T) {
	t.Parallel()
	r := &recorder{onRcpt: func(mail.Recipient) error {
		return fmt.Errorf("alias expansion of secret@inside.test: %w", reply.UnknownUser.Because(errors.New("private")))
	}}
	p := start(t, r, nil).hello()
	p.do("MAIL FROM:<a@client.test>\r\n", "250 ")
	if s := p.do("RCPT TO:<b@ours.test>\r\n", "550 5.1.1"); strings.Contains(s, "secret") || strings.Contains(s, "private") {
		t.Errorf("got %q", s)
	}
}

// TestG8Protocol: go-smtp does not tell HELO from EHLO, and echoes control octets.
func TestG8Protocol(t *testing.T) {
	t.Parallel()
	r := &recorder{onAuth: func(user, _ string) (string, error) { return user, nil }}
	w := start(t, r, nil)
	send := func(p *peer, mail string) {
		p.do(mail, "250 ")
		p.do("RCPT TO:<b@ours.test>\r\n", "250 ")
		p.do("DATA\r\n", "354 ")
		p.do("Subject: \xc3\xa9\r\n\r\n.\r\n", "250 ")
	}
	p := w.dial()
	p.do("EHLO a\x01b\r\n", "500 5.5.2")
	p.do("HELO client.test\r\n", "250 ")
	send(p, "MAIL FROM:<a@client.test>\r\n")
	p.do("EHLO client.test\r\n", "250 ")
	send(p, "MAIL FROM:<a@client.test>\r\n")
	p.do("STARTTLS\r\n", "220 ")
	p.tls(w.ca)
	p.do("EHLO client.test\r\n", "250 ")
	send(p, "MAIL FROM:<a@client.test>\r\n")
	p.do("AUTH PLAIN AHUAcA==\r\n", "235 2.7.0")
	send(p, "MAIL FROM:<a@client.test> SMTPUTF8\r\n")
	want := []string{"SMTP", "ESMTP", "ESMTPS", "UTF8SMTPSA"}
	for i, m := range r.got() {
		if m.env.Client.Protocol != want[i] {
			t.Errorf("message %d came with %s, want %s", i, m.env.Client.Protocol, want[i])
		}
	}
}

// counting counts writes, which are packets.
type counting struct {
	net.Listener
	writes *atomic.Int64
}

func (l counting) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	return countingConn{c, l.writes}, err
}

type countingConn struct {
	net.Conn
	writes *atomic.Int64
}

func (c countingConn) Write(p []byte) (int, error) {
	c.writes.Add(1)
	return c.Conn.Write(p)
}

// TestG9Packets: go-smtp writes a packet a line, 14 for these two mails and more for EHLO.
func TestG9Packets(t *testing.T) {
	t.Parallel()
	w := start(t, &recorder{}, nil)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var writes atomic.Int64
	served := make(chan error, 1)
	go func() { served <- w.server.Serve(counting{l, &writes}, listen.Config{}) }()
	w.addr = l.Addr().String()
	p := w.hello()
	group := "MAIL FROM:<a@client.test>\r\nRCPT TO:<b@ours.test>\r\nRCPT TO:<c@ours.test>\r\nDATA\r\n"
	p.send(group)
	for _, code := range []string{"250", "250", "250", "354"} {
		p.want(code)
	}
	p.send("\r\none\r\n.\r\n" + group)
	for _, code := range []string{"250", "250", "250", "250", "354"} {
		p.want(code)
	}
	p.send("\r\ntwo\r\n.\r\nQUIT\r\n")
	p.want("250")
	p.want("221")
	p.end()
	if n := writes.Load(); n > 7 { // banner, EHLO, group, 250, group, 250, 221
		t.Errorf("%d writes", n)
	}
	if err := w.server.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
	if err := <-served; err != nil {
		t.Error(err)
	}
}

// TestG10NoPasswordsInLog: go-smtp's debug log has everything. Ours has the failure, its user, and no password.
func TestG10NoPasswordsInLog(t *testing.T) {
	t.Parallel()
	log := &syncBuffer{}
	r := &recorder{onAuth: func(string, string) (string, error) { return "", reply.AuthFailed.Because(errors.New("no such user")) }}
	p := start(t, r, func(o *Options, _ *listen.Config) {
		o.PlainAuth = true
		o.Log = slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	}).hello()
	p.do("AUTH PLAIN AHBhdABodW50ZXIy\r\n", "535 5.7.8") // pat, hunter2
	p.do("QUIT\r\n", "221 ")
	p.end()
	text := log.String()
	if !strings.Contains(text, "helo=client.test") {
		t.Errorf("no name of the client for who reads the log: %s", text)
	}
	if !strings.Contains(text, "user=pat") || strings.Contains(text, "hunter2") || strings.Contains(text, "AHBhdABodW50ZXIy") {
		t.Errorf("log: %s", text)
	}
}

type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *syncBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *syncBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

// TestG11Sequence: REQUIRETLS without TLS, UTF-8 without SMTPUTF8, and 503 where go-smtp has 502.
func TestG11Sequence(t *testing.T) {
	t.Parallel()
	w := start(t, &recorder{}, nil)
	p := w.dial()
	for _, early := range []string{"MAIL FROM:<a@client.test>", "RCPT TO:<b@ours.test>", "DATA", "AUTH PLAIN"} {
		p.do(early+"\r\n", "503 5.5.1")
	}
	p.do("EHLO client.test\r\n", "250 ")
	p.do("RCPT TO:<b@ours.test>\r\n", "503 5.5.1")
	p.do("DATA\r\n", "503 5.5.1")
	p.do("MAIL FROM:<a@client.test> REQUIRETLS\r\n", "530 5.7.0")
	p.do("MAIL FROM:<\xc3\xa9@client.test>\r\n", "553 5.6.7")
	p.do("MAIL FROM:<a@client.test>\r\n", "250 ")
	p.do("RCPT TO:<\xc3\xa9@ours.test>\r\n", "553 5.6.7")
	p.do("DATA\r\n", "503 5.5.1")
	p.do("RSET\r\n", "250 ")
	p.do("MAIL FROM:<a@client.test> SMTPUTF8\r\n", "250 ")
	p.do("RCPT TO:<\xc3\xa9@ours.test>\r\n", "250 ")
	p.do("RSET\r\n", "250 ")
	p.do("STARTTLS\r\n", "220 ")
	p.tls(w.ca)
	if s := p.do("EHLO client.test\r\n", "250 "); !strings.Contains(s, "250-REQUIRETLS\r\n") || strings.Contains(s, "STARTTLS") {
		t.Errorf("EHLO in TLS: %q", s)
	}
	p.do("MAIL FROM:<a@client.test> REQUIRETLS\r\n", "250 ")
}
