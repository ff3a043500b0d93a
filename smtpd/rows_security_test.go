// SPDX-License-Identifier: MIT

package smtpd

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"posthouse/config"
	"posthouse/internal/listen"
	"posthouse/mail"
	"posthouse/reply"
)

// The tests named S, L and G are what go-smtp v0.25.1 lets through when it stands alone. Each speaks octets to a socket.

// TestS1SmugglingByTimeout: after a stall within the text, go-smtp answers 554 and runs the rest of it as commands.
func TestS1SmugglingByTimeout(t *testing.T) {
	t.Parallel()
	r := &recorder{}
	w := start(t, r, func(o *Options, _ *listen.Config) { o.Config.DataTimeout = config.Duration(300 * time.Millisecond) })
	p := w.hello()
	p.data()
	p.send("Subject: one\r\n\r\ntext\r\n")
	p.want("421 4.4.2")
	_, _ = io.WriteString(p.conn, ".\r\nMAIL FROM:<ceo@ours.test>\r\nRCPT TO:<b@ours.test>\r\nDATA\r\nSubject: two\r\n\r\n.\r\n") // may fail: nobody reads it
	p.gone()
	if n := len(r.got()); n != 0 {
		t.Errorf("%d messages were taken", n)
	}
}

// TestTruncatedText: the end of the connection is not the end of a message.
func TestTruncatedText(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"", "S", "Subject: x\r\n", "Subject: x\r\n\r\ntext\r\n", "\r\ntext\r\n.", "\r\ntext\r\n.\r", "a\nb\r\n"} {
		t.Run(fmt.Sprintf("%q", text), func(t *testing.T) {
			t.Parallel()
			r := &recorder{}
			p := start(t, r, nil).hello()
			p.data()
			p.send(text)
			_ = p.conn.(*net.TCPConn).CloseWrite()
			p.gone()
			eventually(t, "the session ends", func() bool {
				r.mu.Lock()
				defer r.mu.Unlock()
				return r.closed == 1
			})
			if n := len(r.got()); n != 0 {
				t.Errorf("%d messages were taken", n)
			}
		})
	}
}

// TestS2ExtraCR: with `\r\r\n` go-smtp loses its place, waits for an end that has been, and then runs into the next mail.
func TestS2ExtraCR(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"text\r\r\n.\r\n", "text\r\n.\r\r\n.\r\n", "text\r\n.\rX\r\n.\r\n"} {
		t.Run(fmt.Sprintf("%q", text), func(t *testing.T) {
			t.Parallel()
			r := &recorder{}
			p := start(t, r, nil).hello()
			p.data()
			p.send(text + "MAIL FROM:<x@client.test>\r\nRCPT TO:<y@ours.test>\r\nDATA\r\n")
			p.want("550 5.5.2")
			p.end()
			if n := len(r.got()); n != 0 {
				t.Errorf("%d messages were taken", n)
			}
		})
	}
}

// TestS3RecipientInjection: go-smtp unquotes a local part and never quotes it again.
func TestS3RecipientInjection(t *testing.T) {
	t.Parallel()
	const wire = `<"victim@elsewhere.test> NOTIFY=NEVER ORCPT=rfc822;x"@ours.test>`
	r := &recorder{}
	p := start(t, r, nil).hello()
	p.do("MAIL FROM:<a@client.test>\r\n", "250 ")
	p.do("RCPT TO:"+wire+"\r\n", "250 ")
	p.do("DATA\r\n", "354 ")
	p.do("\r\n.\r\n", "250 ")
	to := r.got()[0].env.Recipients[0]
	if to.To.Wire() != wire || to.To.Domain() != "ours.test" || to.Notify != 0 || to.ORcpt != "" {
		t.Errorf("recipient %s, %+v", to.To.Wire(), to)
	}
}

// TestS4Chunking: BDAT cannot be turned off in go-smtp, and a malformed size leaves the chunk to be read as commands.
func TestS4Chunking(t *testing.T) {
	t.Parallel()
	for _, size := range []string{"20 LAST", "99999999999999999999", "x"} {
		t.Run(size, func(t *testing.T) {
			t.Parallel()
			r := &recorder{}
			p := start(t, r, nil).dial()
			if hello := p.do("EHLO client.test\r\n", "250 "); strings.Contains(hello, "CHUNKING") || strings.Contains(hello, "BINARYMIME") {
				t.Errorf("offered: %q", hello)
			}
			p.do("MAIL FROM:<a@client.test>\r\n", "250 ")
			p.do("RCPT TO:<b@ours.test>\r\n", "250 ")
			p.do("BDAT "+size+"\r\nRSET\r\nMAIL FROM:<ceo@ours.test>\r\n", "502 5.5.1")
			p.end()
		})
	}
}

// TestS5PasswordGuessing: go-smtp counts no failed AUTH.
func TestS5PasswordGuessing(t *testing.T) {
	t.Parallel()
	tries := 0
	r := &recorder{onAuth: func(string, string) (string, error) { tries++; return "", reply.AuthFailed }}
	w := start(t, r, func(o *Options, _ *listen.Config) { o.PlainAuth = true })
	p := w.hello()
	guess := "AUTH PLAIN " + base64.StdEncoding.EncodeToString([]byte("\x00u\x00guess")) + "\r\n"
	for range 4 {
		p.do(guess, "535 5.7.8")
	}
	p.do(guess, "535 5.7.8")
	p.want("421 4.7.0")
	p.end()
	if tries != 5 {
		t.Errorf("%d tries", tries)
	}
}

// TestS5AddressHarvest: nor unknown recipients, nor most bad commands.
func TestS5AddressHarvest(t *testing.T) {
	t.Parallel()
	r := &recorder{onRcpt: func(mail.Recipient) error { return reply.UnknownUser }}
	p := start(t, r, nil).hello()
	p.do("MAIL FROM:<a@client.test>\r\n", "250 ")
	for i := range 21 {
		p.do(fmt.Sprintf("RCPT TO:<u%d@ours.test>\r\n", i), "550 5.1.1")
	}
	p.want("421 4.7.0")
	p.end()
}

// TestS6FailedHandshake: go-smtp answers 550 in the clear and goes on.
func TestS6FailedHandshake(t *testing.T) {
	t.Parallel()
	p := start(t, &recorder{}, nil).hello()
	p.do("STARTTLS\r\n", "220 2.0.0")
	p.send("MAIL FROM:<a@client.test>\r\nRCPT TO:<b@ours.test>\r\n")
	answer, _ := io.ReadAll(p.conn) // a reset is as good as an end
	if strings.Contains(string(answer), "250") {
		t.Errorf("it went on in the clear: %q", answer)
	}
}

// TestS7PlaintextBehindStartTLS: go-smtp drops it silently; it is an attack or a broken client, and the end.
func TestS7PlaintextBehindStartTLS(t *testing.T) {
	t.Parallel()
	p := start(t, &recorder{}, nil).hello()
	p.do("STARTTLS\r\nMAIL FROM:<a@client.test>\r\n", "503 5.5.1")
	p.end()
}

// TestS8EndOfText: only CRLF.CRLF ends a message, and what others might take for an end is refused, not passed on.
func TestS8EndOfText(t *testing.T) {
	t.Parallel()
	for _, mark := range []string{"\n.\n", "\n.\r\n", "\r\n.\n", "\r.\r", "\r.\r\n", "\r\n.\r", "\n.\r", "\r\n\x00.\r\n\n"} {
		t.Run(fmt.Sprintf("%q", mark), func(t *testing.T) {
			t.Parallel()
			r := &recorder{}
			p := start(t, r, nil).hello()
			p.data()
			p.send("Subject: x\r\n\r\none" + mark + "MAIL FROM:<ceo@ours.test>\r\nRCPT TO:<b@ours.test>\r\nDATA\r\ntwo\r\n.\r\n")
			p.want("550 5.5.2")
			p.end()
			if n := len(r.got()); n != 0 {
				t.Errorf("%d messages were taken", n)
			}
		})
	}
}

// TestS8BareNewlineInCommand: the same care for command lines.
func TestS8BareNewlineInCommand(t *testing.T) {
	t.Parallel()
	for _, line := range []string{"NOOP\nRSET\r\n", "NOOP\rRSET\r\n", "NOOP\r\r\n"} {
		p := start(t, &recorder{}, nil).hello()
		p.do(line, "500 5.5.2")
		p.end()
	}
}

// TestS8Normalize: our own networks' scripts are put right instead, and a dot between bare newlines ends nothing.
func TestS8Normalize(t *testing.T) {
	t.Parallel()
	r := &recorder{}
	p := start(t, r, func(o *Options, _ *listen.Config) { o.Mynetworks = loopback }).hello()
	p.do("NOOP\n", "250 ")
	p.data()
	p.do("Subject: x\n\none\n.\ntwo\rthree\n..four\r\n.\r\n", "250 ")
	if text := r.got()[0].text; !strings.HasSuffix(text, "Subject: x\r\n\r\none\r\n.\r\ntwo three\r\n.four\r\n") {
		t.Errorf("text %q", text)
	}
}

// TestS9SecondMail: go-smtp takes it and keeps the recipients of the first.
func TestS9SecondMail(t *testing.T) {
	t.Parallel()
	r := &recorder{}
	p := start(t, r, nil).hello()
	p.do("MAIL FROM:<a@client.test>\r\n", "250 ")
	p.do("RCPT TO:<b@ours.test>\r\n", "250 ")
	p.do("MAIL FROM:<c@client.test>\r\n", "503 5.5.1")
	p.do("DATA\r\n", "354 ")
	p.do("\r\n.\r\n", "250 ")
	if got := r.got(); len(got) != 1 || got[0].env.From.String() != "a@client.test" {
		t.Errorf("got %+v", got)
	}
}

// panicky is a service that fails wherever it can.
func panicky(where string) *recorder {
	fail := func(here string) error {
		if here == where {
			panic("in " + here)
		}
		return nil
	}
	return &recorder{
		onConnect: func(*mail.Client) error { return fail("Connect") },
		onMail:    func(*mail.Envelope) error { return fail("Mail") },
		onRcpt:    func(mail.Recipient) error { return fail("Rcpt") },
		onData:    func(*mail.Envelope) error { return fail("Data") },
		onMessage: func(context.Context, *mail.Message) error { return fail("Message") },
	}
}

// TestS10Panic: a panic in go-smtp's Logout ends the process. Here it is one client's 421.
func TestS10Panic(t *testing.T) {
	t.Parallel()
	steps := []struct{ verb, line, ok string }{
		{"Connect", "", "220 "},
		{"", "EHLO client.test\r\n", "250 "},
		{"Mail", "MAIL FROM:<a@client.test>\r\n", "250 "},
		{"Rcpt", "RCPT TO:<b@ours.test>\r\n", "250 "},
		{"Data", "DATA\r\n", "354 "},
		{"Message", "\r\n.\r\n", "250 "},
	}
	for _, where := range []string{"Connect", "Mail", "Rcpt", "Data", "Message"} {
		t.Run(where, func(t *testing.T) {
			t.Parallel()
			p := start(t, panicky(where), nil).silent()
			for _, s := range steps {
				if s.verb == where {
					p.do(s.line, "421 4.3.0")
					break
				}
				p.do(s.line, s.ok)
			}
			p.end()
		})
	}
}

// closer panics when it is told that the connection or the transaction is over.
type closer struct{ recorderSession }

func (closer) Close() { panic("in Close") }

func TestS10PanicInClose(t *testing.T) {
	t.Parallel()
	r := &recorder{}
	w := start(t, serviceFunc(func() Session { return closer{recorderSession{r}} }), nil)
	for range 2 { // the process has survived the first
		p := w.hello()
		p.do("QUIT\r\n", "221 ")
		p.end()
	}
}

// TestS11NoWayBack: go-smtp holds a lock while it calls Reset and Logout. A Close that ends the connection must not deadlock.
func TestS11NoWayBack(t *testing.T) {
	t.Parallel()
	r := &recorder{}
	p := start(t, r, nil).hello()
	for range 3 {
		p.do("MAIL FROM:<a@client.test>\r\n", "250 ")
		p.do("RSET\r\n", "250 ")
	}
	p.do("QUIT\r\n", "221 ")
	p.end()
	eventually(t, "everything closed once", func() bool {
		r.mu.Lock()
		defer r.mu.Unlock()
		return r.closed == 1 && r.dropped == 3
	})
}

// TestErrorIsNeverYes: a reply of 250 that comes as an error promises nothing.
func TestErrorIsNeverYes(t *testing.T) {
	t.Parallel()
	r := &recorder{onMessage: func(context.Context, *mail.Message) error { return reply.OK }}
	p := start(t, r, nil).hello()
	p.data()
	p.do("\r\n.\r\n", "451 4.3.0")
}

// TestErrorsShowNothing: an error that is no reply tells a stranger nothing of our insides (G7 the other way round).
func TestErrorsShowNothing(t *testing.T) {
	t.Parallel()
	r := &recorder{onMail: func(*mail.Envelope) error { return errors.New("open /var/lib/secret") }}
	p := start(t, r, nil).hello()
	if s := p.do("MAIL FROM:<a@client.test>\r\n", "451 4.3.0"); strings.Contains(s, "secret") {
		t.Errorf("got %q", s)
	}
}
