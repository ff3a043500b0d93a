// SPDX-License-Identifier: MIT

package smtpd

import (
	"context"
	"encoding/base64"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"posthouse/config"
	"posthouse/internal/listen"
	"posthouse/reply"
)

func b64(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }

// users is a service with one account.
func users() *recorder {
	return &recorder{onAuth: func(user, password string) (string, error) {
		switch {
		case user == "busy":
			return "", errors.New("too many checks at once")
		case user != "pat" || password != "hunter2":
			return "", reply.AuthFailed
		}
		return "pat", nil
	}}
}

func TestAuth(t *testing.T) {
	t.Parallel()
	good := b64("\x00pat\x00hunter2")
	dialogs := map[string][]string{ // client line, reply
		"PLAIN with response":   {"AUTH PLAIN " + good, "235 2.7.0"},
		"PLAIN without":         {"AUTH PLAIN", "334 ", good, "235 2.7.0"},
		"plain":                 {"auth plain " + good, "235 2.7.0"},
		"PLAIN as oneself":      {"AUTH PLAIN " + b64("pat\x00pat\x00hunter2"), "235 2.7.0"},
		"PLAIN as another":      {"AUTH PLAIN " + b64("root\x00pat\x00hunter2"), "535 5.7.8"},
		"PLAIN wrong":           {"AUTH PLAIN " + b64("\x00pat\x00hunter3"), "535 5.7.8"},
		"PLAIN without user":    {"AUTH PLAIN " + b64("\x00\x00"), "535 5.7.8"},
		"PLAIN malformed":       {"AUTH PLAIN " + b64("pat"), "501 5.5.2"},
		"PLAIN not base64":      {"AUTH PLAIN ???", "501 5.5.2"},
		"PLAIN empty":           {"AUTH PLAIN =", "501 5.5.2"},
		"LOGIN":                 {"AUTH LOGIN", "334 " + b64("Username:"), b64("pat"), "334 " + b64("Password:"), b64("hunter2"), "235 2.7.0"},
		"LOGIN with user":       {"AUTH LOGIN " + b64("pat"), "334 " + b64("Password:"), b64("hunter2"), "235 2.7.0"},
		"LOGIN wrong":           {"AUTH LOGIN " + b64("pat"), "334 ", b64("x"), "535 5.7.8"},
		"cancelled":             {"AUTH LOGIN", "334 ", "*", "501 5.5.2", "MAIL FROM:<a@client.test>", "250 ", "AUTH PLAIN " + good, "503 5.5.1"},
		"not clean":             {"AUTH LOGIN", "334 ", "\x01", "501 5.5.2"},
		"unknown":               {"AUTH CRAM-MD5", "504 5.5.4"},
		"nothing":               {"AUTH", "501 5.5.4"},
		"twice":                 {"AUTH PLAIN " + good, "235 ", "AUTH PLAIN " + good, "503 5.5.1"},
		"temporary":             {"AUTH PLAIN " + b64("\x00busy\x00x"), "454 4.7.0"},
		"within a transaction":  {"MAIL FROM:<a@client.test>", "250 ", "AUTH PLAIN " + good, "503 5.5.1"},
		"STARTTLS after AUTH":   {"AUTH PLAIN " + good, "235 ", "STARTTLS", "503 5.5.1"},
		"AUTH= is not believed": {"MAIL FROM:<a@client.test> AUTH=e+3Dmc2@example.test", "250 "},
	}
	for name, lines := range dialogs {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := start(t, users(), func(o *Options, _ *listen.Config) { o.PlainAuth = true }).hello()
			for i := 0; i < len(lines); i += 2 {
				p.do(lines[i]+"\r\n", lines[i+1])
			}
		})
	}
}

func TestAuthShowsInTheEnvelope(t *testing.T) {
	t.Parallel()
	r := users()
	p := start(t, r, func(o *Options, _ *listen.Config) { o.PlainAuth = true }).hello()
	p.do("AUTH PLAIN "+b64("\x00pat\x00hunter2")+"\r\n", "235 2.7.0")
	if s := p.do("EHLO client.test\r\n", "250 "); strings.Contains(s, "AUTH") {
		t.Errorf("AUTH is offered again: %q", s)
	}
	p.data()
	p.do("a\n.\nb\r\n.\r\n", "250 ") // from a user, bare newlines are put right
	m := r.got()[0]
	if m.env.Client.Login != "pat" || m.env.Client.Protocol != "ESMTPA" || !strings.HasSuffix(m.text, "a\r\n.\r\nb\r\n") {
		t.Errorf("client %+v, text %q", m.env.Client, m.text)
	}
}

func TestAuthOnlyWhereItMay(t *testing.T) {
	t.Parallel()
	p := start(t, users(), nil).dial()
	if s := p.do("EHLO client.test\r\n", "250 "); strings.Contains(s, "AUTH") {
		t.Errorf("AUTH is offered in the clear: %q", s)
	}
	p.do("AUTH PLAIN "+b64("\x00pat\x00hunter2")+"\r\n", "538 5.7.11")
	p = start(t, &recorder{}, nil).hello()
	p.do("AUTH PLAIN "+b64("\x00pat\x00hunter2")+"\r\n", "502 5.5.1")
}

// TestSlowAnswers: the answer to a wrong password comes later each time, up to five seconds; that to a right one at once.
func TestSlowAnswers(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		tries []string
		want  []time.Duration
	}{
		"wrong":     {[]string{"a", "b", "c", "d"}, []time.Duration{time.Second, 2 * time.Second, 3 * time.Second, 4 * time.Second}},
		"mistyped":  {[]string{"a", "hunter2"}, []time.Duration{time.Second, 0}},
		"temporary": {[]string{"busy", "busy"}, []time.Duration{0, 0}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inBubble(t, users(), func(p *peer) {
				for i, password := range c.tries {
					user := "pat"
					if password == "busy" {
						user = "busy"
					}
					begin := time.Now()
					p.send("AUTH PLAIN " + b64("\x00"+user+"\x00"+password) + "\r\n")
					p.reply()
					if took := time.Since(begin); took != c.want[i] {
						t.Errorf("%d: %s, want %s", i, took, c.want[i])
					}
				}
			})
		})
	}
}

// TestPenaltyOfAClient: another connection begins where the last one ended; another client, and one from mynetworks, anew.
func TestPenaltyOfAClient(t *testing.T) {
	t.Parallel()
	o := Options{Service: users(), Spool: memorySpool{}, Config: testConfig()}
	o.Config.AuthFailureDelay = config.Duration(time.Second)
	s, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	for i, c := range []struct {
		key  string
		want time.Duration
	}{{"192.0.2.1", 1}, {"192.0.2.1", 2}, {"192.0.2.2", 1}, {"", 1}, {"", 1}, {"192.0.2.1", 3}, {"192.0.2.1", 4}, {"192.0.2.1", 5}, {"192.0.2.1", 5}} {
		conn := newConn(s, s.options.Load(), &listen.Config{})
		conn.key = c.key
		if got := conn.penalty(); got != c.want*time.Second {
			t.Errorf("%d, %q: %s", i, c.key, got)
		}
	}
}

// TestGuessesOfAClient: after its wrong passwords of a minute a client is sent away before one more is looked at, over whatever
// connection. Who is in mynetworks may go on.
func TestGuessesOfAClient(t *testing.T) {
	t.Parallel()
	for _, trusted := range []bool{false, true} {
		var checked atomic.Int32
		r := &recorder{onAuth: func(user, password string) (string, error) {
			checked.Add(1)
			return users().onAuth(user, password)
		}}
		w := start(t, r, func(o *Options, _ *listen.Config) {
			o.PlainAuth, o.Config.ClientAuthFailureLimit = true, 3
			if trusted {
				o.Mynetworks = loopback
			}
		})
		try := func(last bool, tries ...string) { // password, reply
			p := w.hello()
			for i := 0; i < len(tries); i += 2 {
				p.do("AUTH PLAIN "+b64("\x00pat\x00"+tries[i])+"\r\n", tries[i+1])
			}
			if last {
				p.end()
			}
		}
		try(false, "x", "535 5.7.8", "x", "535 5.7.8", "hunter2", "235 2.7.0")
		try(false, "x", "535 5.7.8")
		if trusted {
			try(false, "x", "535 5.7.8", "hunter2", "235 2.7.0")
			continue
		}
		try(true, "x", "421 4.7.0")
		try(true, "hunter2", "421 4.7.0")
		if n := checked.Load(); n != 4 {
			t.Errorf("%d passwords were checked", n)
		}
	}
}

// TestNoDelayInAStop: whoever is kept waiting does not keep the server.
func TestNoDelayInAStop(t *testing.T) {
	t.Parallel()
	tried := make(chan struct{})
	r := &recorder{onAuth: func(string, string) (string, error) { close(tried); return "", reply.AuthFailed }}
	w := start(t, r, func(o *Options, _ *listen.Config) {
		o.PlainAuth, o.Config.AuthFailureDelay = true, config.Duration(time.Hour)
	})
	w.hello().send("AUTH PLAIN " + b64("\x00pat\x00x") + "\r\n")
	<-tried
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := w.server.Shutdown(ctx); err != nil && !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}
