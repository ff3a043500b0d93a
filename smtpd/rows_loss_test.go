// SPDX-License-Identifier: MIT

package smtpd

import (
	"encoding/base64"
	"fmt"
	"io"
	"strings"
	"testing"

	"posthouse/internal/listen"
	"posthouse/mail"
	"posthouse/reply"
)

// TestL2LongLines: one limit for commands, AUTH and text refuses good mail. Text has none but the size.
func TestL2LongLines(t *testing.T) {
	t.Parallel()
	r := &recorder{onAuth: func(user, _ string) (string, error) { return user, nil }}
	w := start(t, r, func(o *Options, _ *listen.Config) { o.PlainAuth = true })
	p := w.hello()
	p.data()
	long := strings.Repeat("x", 100_000)
	p.do("Subject: long\r\n\r\n"+long+"\r\n.\r\n", "250 ")
	if !strings.Contains(r.got()[0].text, long) {
		t.Error("the line is not whole")
	}
	token := base64.StdEncoding.EncodeToString([]byte("\x00u\x00" + strings.Repeat("p", 6000)))
	p.do("AUTH PLAIN\r\n", "334 ")
	p.do(token+"\r\n", "235 2.7.0")

	p = w.hello()
	p.do("AUTH PLAIN "+token+"\r\n", "235 2.7.0")
	p.do("MAIL FROM:<a@client.test> "+strings.Repeat("x", 3000)+"\r\n", "500 5.5.2 Line too long")
	p.end()
}

// TestL2EndlessAuthLine: within AUTH the limit is that of RFC 4954 4.
func TestL2EndlessAuthLine(t *testing.T) {
	t.Parallel()
	r := &recorder{onAuth: func(user, _ string) (string, error) { return user, nil }}
	p := start(t, r, func(o *Options, _ *listen.Config) { o.PlainAuth = true }).hello()
	p.do("AUTH LOGIN\r\n", "334 ")
	p.do(strings.Repeat("A", 13000)+"\r\n", "500 5.5.2")
	p.end()
}

// TestL3Postmaster: RFC 5321 4.5.1 has no domain there. In every spelling it is the cluster's.
func TestL3Postmaster(t *testing.T) {
	t.Parallel()
	r := &recorder{}
	p := start(t, r, nil).hello()
	p.do("MAIL FROM:<>\r\n", "250 ")
	spellings := []string{"postmaster", "Postmaster", "POSTMASTER@mx.test", "postmaster@node.test"}
	for _, s := range spellings {
		p.do("RCPT TO:<"+s+">\r\n", "250 ")
	}
	p.do("DATA\r\n", "354 ")
	p.do("\r\n.\r\n", "250 ")
	for i, to := range r.got()[0].env.Recipients {
		if to.To.Domain() != "cluster.test" {
			t.Errorf("%s became %s", spellings[i], to.To)
		}
	}
}

// TestL4ExactSize: a message of exactly the limit was promised with SIZE; one octet more is refused after the text.
func TestL4ExactSize(t *testing.T) {
	t.Parallel()
	const limit = 10_000
	r := &recorder{}
	w := start(t, r, func(o *Options, _ *listen.Config) { o.Config.MessageSizeLimit = limit })
	text := "Subject: x\r\n\r\n"
	text += strings.Repeat("y", limit-len(text)-2) + "\r\n"
	p := w.hello()
	p.do(fmt.Sprintf("MAIL FROM:<a@client.test> SIZE=%d\r\n", limit), "250 ")
	p.do("RCPT TO:<b@ours.test>\r\n", "250 ")
	p.do("DATA\r\n", "354 ")
	p.do(text+".\r\n", "250 ")
	p.data()
	p.do("z"+text+".\r\n", "552 5.3.4")
	for _, size := range []string{"10001", "4294967296", "99999999999999999999"} {
		p.do("MAIL FROM:<a@client.test> SIZE="+size+"\r\n", "552 5.3.4")
	}
	p.do("MAIL FROM:<a@client.test> SIZE=-1\r\n", "501 5.5.4")
	if n := len(r.got()); n != 1 {
		t.Errorf("%d messages", n)
	}
}

// TestL5EndlessText: after a refusal the rest is read to its end, but not without end.
func TestL5EndlessText(t *testing.T) {
	t.Parallel()
	r := &recorder{}
	p := start(t, r, func(o *Options, _ *listen.Config) { o.Config.MessageSizeLimit = 100_000 }).hello()
	p.data()
	go func() {
		block := strings.Repeat("x", 998) + "\r\n"
		for {
			if _, err := io.WriteString(p.conn, block); err != nil {
				return
			}
		}
	}()
	p.want("552 5.3.4")
	p.gone()
}

// TestL5RefusedTextIsNoCommand: what is left of a refused text is no command either, and the client goes on.
func TestL5RefusedTextIsNoCommand(t *testing.T) {
	t.Parallel()
	r := &recorder{}
	p := start(t, r, func(o *Options, _ *listen.Config) { o.Config.HeaderSizeLimit = 100 }).hello()
	p.data()
	p.do("Subject: "+strings.Repeat("x", 200)+"\r\n\r\nRSET\r\nQUIT\r\n.\r\n", "552 5.3.4")
	p.data()
	p.do("Subject: x\r\n\r\n.\r\n", "250 ")
}

// TestL6ForeignORCPT: any address type is legal (RFC 3461 4.2).
func TestL6ForeignORCPT(t *testing.T) {
	t.Parallel()
	r := &recorder{}
	p := start(t, r, nil).hello()
	p.do("MAIL FROM:<a@client.test> RET=HDRS ENVID=ab+2Bc\r\n", "250 ")
	p.do("RCPT TO:<b@ours.test> NOTIFY=SUCCESS,DELAY ORCPT=X400;/C+3DXX/S+3Db\r\n", "250 ")
	p.do("RCPT TO:<c@ours.test> NOTIFY=NEVER ORCPT=rfc822;d+2Be@ours.test\r\n", "250 ")
	p.do("RCPT TO:<c@ours.test> ORCPT=x400;+0A\r\n", "501 5.5.4")
	p.do("DATA\r\n", "354 ")
	p.do("\r\n.\r\n", "250 ")
	env := r.got()[0].env
	if env.Ret != "HDRS" || env.EnvID != "ab+c" {
		t.Errorf("RET %q ENVID %q", env.Ret, env.EnvID)
	}
	if to := env.Recipients[0]; to.ORcpt != "x400;/C=XX/S=b" || to.Notify != mail.NotifySuccess|mail.NotifyDelay {
		t.Errorf("first recipient %+v", to)
	}
	if to := env.Recipients[1]; to.ORcpt != "rfc822;d+e@ours.test" || to.Notify != mail.NotifyNever {
		t.Errorf("second recipient %+v", to)
	}
}

// TestRefusalKeepsTheConnection: a recipient that is refused, and a message that is, leave the session usable.
func TestRefusalKeepsTheConnection(t *testing.T) {
	t.Parallel()
	refuse := true
	r := &recorder{onData: func(*mail.Envelope) error {
		if refuse {
			return reply.Rejected
		}
		return nil
	}}
	p := start(t, r, nil).hello()
	p.do("MAIL FROM:<a@client.test>\r\n", "250 ")
	p.do("RCPT TO:<b@ours.test>\r\n", "250 ")
	p.do("DATA\r\n", "554 5.7.1")
	p.do("RCPT TO:<b@ours.test>\r\n", "503 5.5.1")
	refuse = false
	p.data()
	p.do("\r\n.\r\n", "250 ")
}
