// SPDX-License-Identifier: MIT

package smtpin

import (
	"bufio"
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"posthouse/config"
	"posthouse/internal/maillab"
	"posthouse/mail"
	"posthouse/milter"
	"posthouse/policy"
	"posthouse/resolver"
)

// TestClientsLeaveAnywhere: clients go away at every point of the dialogue while a filter takes its time. What got a 250 is queued, no
// goroutine stays, and nobody else's message is hurt.
func TestClientsLeaveAnywhere(t *testing.T) {
	t.Parallel()
	f := maillab.NewFilter(t, "hX-Spam\x00no\x00", "bnew text\r\n")
	w := filtered(t, f, "tempfail")
	var mc milter.Config
	mc.SetDefaults()
	mc.Address = config.Address{Network: "tcp", Host: "127.0.0.1", Port: f.Port()}
	w.Filters = milter.New([]milter.Config{mc, mc}, milter.Options{Hostname: "mx.test", Spool: spool{}, Log: w.log.Logger(),
		Dial: func(ctx context.Context, network, address string) (net.Conn, error) {
			conn, err := new(net.Dialer).DialContext(ctx, network, address)
			return slowConn{conn}, err
		}})
	z, err := resolver.ParseZone(senders)
	if err != nil {
		t.Fatal(err)
	}
	var c AuthenticationConfig
	c.SetDefaults()
	w.Hostname, w.Authentication = "mx.test", NewAuthentication(c, "mx.test", z)
	w.Facts = nameless{w.Facts}
	server := w.serve(t)
	before := runtime.NumGoroutine()
	var taken atomic.Int32
	var all sync.WaitGroup
	turns := make(chan struct{}, 20)
	for i := range 96 {
		all.Go(func() {
			turns <- struct{}{}
			defer func() { <-turns }()
			if leaveAt(t, server.Address, i%12) {
				taken.Add(1)
			}
		})
	}
	all.Wait()
	queued := 0
	deadline := time.Now().Add(10 * time.Second)
	for runtime.NumGoroutine() > before+5 && time.Now().Before(deadline) {
		time.Sleep(10 * time.Millisecond)
	}
	for {
		m, ok := w.queue.Next()
		if !ok {
			break
		}
		queued++
		if !strings.HasSuffix(m.Text, "\r\n\r\nnew text\r\n") || !strings.Contains(m.Text, "X-Spam: no") {
			t.Errorf("%q", m.Text)
		}
	}
	if queued < int(taken.Load()) || taken.Load() == 0 {
		t.Errorf("%d said to be taken, %d queued\n%s", taken.Load(), queued, strings.ReplaceAll(w.log.String(), "\\n", "\n"))
	}
	if n := runtime.NumGoroutine(); n > before+5 {
		buf := make([]byte, 1<<16)
		t.Errorf("%d goroutines before, %d after\n%s", before, n, buf[:runtime.Stack(buf, true)])
	}
}

// nameless are facts about clients without a name.
type nameless struct{ policy.Facts }

func (nameless) Names(context.Context, *mail.Client) ([]string, error) { return nil, nil }

// slowConn is one to a filter that takes its time.
type slowConn struct{ net.Conn }

func (s slowConn) Read(p []byte) (int, error) {
	time.Sleep(time.Duration(rand.IntN(3)) * time.Millisecond)
	return s.Conn.Read(p)
}

// leaveAt goes away behind so many lines; true: it was told that its message is taken.
func leaveAt(t *testing.T, address string, lines int) bool {
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Error(err)
		return false
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
	r := bufio.NewReader(conn)
	hear := func() string {
		for {
			s, err := r.ReadString('\n')
			if err != nil || len(s) > 3 && s[3] == ' ' {
				return s
			}
		}
	}
	hear()
	for i, line := range []string{"EHLO client.test", "MAIL FROM:<x@pass.test>", "RCPT TO:<a@alias.test>", "RSET", "MAIL FROM:<x@pass.test>",
		"RCPT TO:<b@alias.test>", "DATA", "Subject: x", "", "text", "."} {
		if i == lines {
			return false
		}
		fmt.Fprintf(conn, "%s\r\n", line)
		if i <= 6 {
			if got := hear(); got == "" || got[0] != '2' && got[0] != '3' {
				t.Errorf("%s: %q", line, got)
				return false
			}
		}
	}
	if lines == 11 && rand.IntN(2) == 0 {
		return false
	}
	got := hear()
	if !strings.HasPrefix(got, "250") {
		t.Errorf("the end: %q", got)
	}
	return strings.HasPrefix(got, "250")
}
