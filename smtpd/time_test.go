// SPDX-License-Identifier: MIT

package smtpd

import (
	"bufio"
	"context"
	"io"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"posthouse/config"
	"posthouse/internal/listen"
)

// pipes is a listener without a network, for tests whose clock is not the machine's.
type pipes struct {
	conns  chan net.Conn
	closed chan struct{}
}

func (l *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *pipes) Close() error {
	select {
	case <-l.closed:
	default:
		close(l.closed)
	}
	return nil
}

func (l *pipes) Addr() net.Addr { return &net.UnixAddr{} }

// inBubble runs a session with the default time-outs on a clock of its own.
func inBubble(t *testing.T, r *recorder, talk func(p *peer)) {
	synctest.Test(t, func(t *testing.T) {
		o := Options{Name: "test", Service: r, Spool: memorySpool{}, Config: testConfig(), PlainAuth: true}
		o.Config.AuthFailureDelay = config.Duration(time.Second)
		s, err := New(o)
		if err != nil {
			t.Fatal(err)
		}
		l := &pipes{make(chan net.Conn), make(chan struct{})}
		served := make(chan error, 1)
		go func() { served <- s.Serve(l, listen.Config{}) }()
		client, server := net.Pipe()
		l.conns <- server
		p := &peer{t: t, conn: client, r: bufio.NewReader(client)}
		p.want("220 ")
		p.do("EHLO client.test\r\n", "250 ")
		talk(p)
		client.Close()
		if err := s.Shutdown(context.Background()); err != nil {
			t.Error(err)
		}
		if err := <-served; err != nil {
			t.Error(err)
		}
	})
}

// TestL1SlowButSteady: in go-smtp the whole text must come within one ReadTimeout. Here the deadline moves with the text:
// an hour is fine.
func TestL1SlowButSteady(t *testing.T) {
	t.Parallel()
	r := &recorder{}
	inBubble(t, r, func(p *peer) {
		p.data()
		for range 60 {
			p.send(strings.Repeat("x", 60*600) + "\r\n")
			time.Sleep(time.Minute)
		}
		p.do(".\r\n", "250 ")
	})
	if len(r.got()) != 1 {
		t.Error("no message")
	}
}

// trickle sends an octet a second until nobody listens, and returns for how long. What the server says is read meanwhile.
func trickle(p *peer) (time.Duration, string) {
	heard := make(chan string)
	go func() {
		b, _ := io.ReadAll(p.r)
		heard <- string(b)
	}()
	begin := time.Now()
	for {
		if _, err := p.conn.Write([]byte("x")); err != nil {
			return time.Since(begin), <-heard
		}
		time.Sleep(time.Second)
	}
}

// TestL1Trickle: but an octet now and then does not hold a connection for ever: beyond data_timeout, data_rate counts.
func TestL1Trickle(t *testing.T) {
	t.Parallel()
	r := &recorder{}
	inBubble(t, r, func(p *peer) {
		p.data()
		if took, heard := trickle(p); took < 2*time.Minute || took > 4*time.Minute || !strings.HasPrefix(heard, "421 4.4.2") {
			t.Errorf("after %s: %q", took, heard)
		}
	})
	if len(r.got()) != 0 {
		t.Error("a message")
	}
}

// TestL1CommandDeadline: nor does one within a command line, whose deadline is absolute.
func TestL1CommandDeadline(t *testing.T) {
	t.Parallel()
	inBubble(t, &recorder{}, func(p *peer) {
		if took, heard := trickle(p); took < 4*time.Minute || took > 6*time.Minute || !strings.HasPrefix(heard, "421 4.4.2") {
			t.Errorf("after %s: %q", took, heard)
		}
	})
}

// TestL1Stall: silence ends a text after data_timeout, and a session after command_timeout.
func TestL1Stall(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		data     bool
		from, to time.Duration
	}{
		"text":    {true, 150 * time.Second, 200 * time.Second},
		"command": {false, 270 * time.Second, 310 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inBubble(t, &recorder{}, func(p *peer) {
				if c.data {
					p.data()
				}
				begin := time.Now()
				p.want("421 4.4.2")
				if took := time.Since(begin); took < c.from || took > c.to {
					t.Errorf("after %s", took)
				}
			})
		})
	}
}

// TestAnswerTimeout: the service has answer_timeout for its answer to the final dot; then its context ends.
func TestAnswerTimeout(t *testing.T) {
	t.Parallel()
	r := &recorder{}
	r.onMessage = waitForTheEnd
	inBubble(t, r, func(p *peer) {
		p.data()
		begin := time.Now()
		p.do("\r\n.\r\n", "451 4.3.0")
		if took := time.Since(begin); took != time.Minute {
			t.Errorf("after %s", took)
		}
	})
}

// TestServiceThinksTooLong: whatever a service asks and of whom, the client has its answer before it gives up.
func TestServiceThinksTooLong(t *testing.T) {
	t.Parallel()
	for verb, patience := range map[string]time.Duration{"RCPT": 5 * time.Minute, "DATA": 2 * time.Minute} {
		inBubble(t, &recorder{endless: verb}, func(p *peer) {
			p.do("MAIL FROM:<a@b.test>\r\n", "250 ")
			begin := time.Now()
			if verb == "RCPT" {
				p.do("RCPT TO:<a@b.test>\r\n", "451 ")
			} else {
				p.do("RCPT TO:<a@b.test>\r\n", "250 ")
				p.do("DATA\r\n", "451 ")
			}
			if took := time.Since(begin); took >= patience {
				t.Errorf("%s took %s", verb, took)
			}
		})
	}
}
