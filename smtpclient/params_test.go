// SPDX-License-Identifier: MIT

package smtpclient

import (
	"bytes"
	"strings"
	"testing"

	"posthouse/mail"
)

// commands is what a transaction would say to a server with these extensions, or the enhanced code of its refusal.
func commands(env *mail.Envelope, msg *mail.Message, ext Extensions, lmtp, secure bool) string {
	c := &Conn{ext: ext, options: Options{LMTP: lmtp}}
	if secure {
		c.tls = "TLSv1.3"
	}
	t := &transaction{conn: c, env: env, msg: msg, from: env.From, rcpts: everyone(env), size: msg.Size()}
	t.need = t.computeNeeds()
	if r := t.unfit(); r.Code != 0 {
		return r.Enhanced
	}
	b := t.appendMail(nil)
	for i := range env.Recipients {
		b = t.appendRcpt(b, &env.Recipients[i])
	}
	return strings.ReplaceAll(strings.TrimSuffix(string(b), "\r\n"), "\r\n", " | ")
}

func TestParameters(t *testing.T) {
	t.Parallel()
	all := Extensions{Size: true, EightBitMIME: true, SMTPUTF8: true, DSN: true, RequireTLS: true}
	umlaut := "Subject: ä\r\n\r\nx\r\n"
	for _, c := range []struct {
		name         string
		change       func(*mail.Envelope)
		text         string
		ext          Extensions
		lmtp, secure bool
		want         string
	}{
		{"nothing offered", nil, small, Extensions{}, false, false, "MAIL FROM:<from@a.test> | RCPT TO:<to@b.test>"},
		{"C7: BODY only if needed", nil, small, all, false, false, "MAIL FROM:<from@a.test> SIZE=21 | RCPT TO:<to@b.test>"},
		{"8-bit", func(e *mail.Envelope) { e.EightBit = true }, small, all, false, false,
			"MAIL FROM:<from@a.test> SIZE=21 BODY=8BITMIME | RCPT TO:<to@b.test>"},
		{"8-bit not taken", func(e *mail.Envelope) { e.EightBit = true }, small, Extensions{SMTPUTF8: true}, false, false, "5.6.3"},
		{"UTF-8 header", nil, umlaut, all, false, false,
			"MAIL FROM:<from@a.test> SIZE=18 BODY=8BITMIME SMTPUTF8 | RCPT TO:<to@b.test>"},
		{"UTF-8 header not taken", nil, umlaut, Extensions{EightBitMIME: true}, false, false, "5.6.7"},
		{"UTF-8 header to LMTP", nil, umlaut, Extensions{EightBitMIME: true}, true, false,
			"MAIL FROM:<from@a.test> BODY=8BITMIME | RCPT TO:<to@b.test>"},
		{"UTF-8 recipient not taken", func(e *mail.Envelope) { e.Recipients[0].To = path(t, "ä@b.test") }, small,
			Extensions{EightBitMIME: true}, true, false, "5.6.7"},
		{"UTF-8 recipient", func(e *mail.Envelope) { e.Recipients[0].To = path(t, "ä@b.test") }, small, all, false, false,
			"MAIL FROM:<from@a.test> SIZE=21 SMTPUTF8 | RCPT TO:<ä@b.test>"},
		{"null sender", func(e *mail.Envelope) { e.From = mail.Path{} }, small, Extensions{}, false, false, "MAIL FROM:<> | RCPT TO:<to@b.test>"},
		{"too big", nil, small, Extensions{Size: true, SizeLimit: 20}, false, false, "5.3.4"},
		{"just fits", nil, small, Extensions{Size: true, SizeLimit: 21}, false, false, "MAIL FROM:<from@a.test> SIZE=21 | RCPT TO:<to@b.test>"},
		{"REQUIRETLS in the clear", func(e *mail.Envelope) { e.RequireTLS = true }, small, all, false, false, "5.7.30"},
		{"REQUIRETLS not offered", func(e *mail.Envelope) { e.RequireTLS = true }, small, Extensions{}, false, true, "5.7.30"},
		{"REQUIRETLS", func(e *mail.Envelope) { e.RequireTLS = true }, small, all, false, true,
			"MAIL FROM:<from@a.test> SIZE=21 REQUIRETLS | RCPT TO:<to@b.test>"},
		{"DSN", func(e *mail.Envelope) {
			e.Ret, e.EnvID = "HDRS", "a+b=c d"
			e.Recipients[0].Notify, e.Recipients[0].ORcpt = mail.NotifySuccess|mail.NotifyDelay, "rfc822;a+b@c.test"
		}, small, Extensions{DSN: true}, false, false,
			"MAIL FROM:<from@a.test> RET=HDRS ENVID=a+2Bb+3Dc+20d | RCPT TO:<to@b.test> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;a+2Bb@c.test"},
		{"NEVER stands alone", func(e *mail.Envelope) { e.Recipients[0].Notify = mail.NotifyNever | mail.NotifyDelay }, small,
			Extensions{DSN: true}, false, false, "MAIL FROM:<from@a.test> | RCPT TO:<to@b.test> NOTIFY=NEVER"},
		{"ORCPT of UTF-8", func(e *mail.Envelope) { e.Recipients[0].ORcpt = "utf-8;ä+b@c.test" }, small, Extensions{DSN: true}, false, false,
			`MAIL FROM:<from@a.test> | RCPT TO:<to@b.test> ORCPT=utf-8;\x{E4}\x{2B}b@c.test`},
		{"a damaged ORCPT is left out", func(e *mail.Envelope) { e.Recipients[0].ORcpt = "a b;x" }, small, Extensions{DSN: true}, false, false,
			"MAIL FROM:<from@a.test> | RCPT TO:<to@b.test>"},
		{"no DSN offered", func(e *mail.Envelope) { e.Ret, e.Recipients[0].Notify = "FULL", mail.NotifyNever }, small, Extensions{}, false, false,
			"MAIL FROM:<from@a.test> | RCPT TO:<to@b.test>"},
	} {
		env, msg := letter(t, c.text, "to@b.test")
		if c.change != nil {
			c.change(env)
		}
		if got := commands(env, msg, c.ext, c.lmtp, c.secure); got != c.want {
			t.Errorf("%s:\n got %s\nwant %s", c.name, got, c.want)
		}
	}
}

// LIBRARIES S3: a local part that needs quotes gets them back, so that it cannot become another recipient or a parameter.
func TestQuotesComeBack(t *testing.T) {
	t.Parallel()
	env, msg := letter(t, small, "to@b.test")
	p, err := mail.ParsePath(`<"victim@elsewhere.test> NOTIFY=NEVER ORCPT=rfc822;x"@b.test>`, false)
	if err != nil {
		t.Fatal(err)
	}
	env.Recipients[0].To = p
	want := `RCPT TO:<"victim@elsewhere.test> NOTIFY=NEVER ORCPT=rfc822;x"@b.test>`
	if got := commands(env, msg, Extensions{}, false, false); !strings.HasSuffix(got, want) {
		t.Errorf("got %s", got)
	}
}

// C8: keywords in any case, and the old form of AUTH.
func TestExtensions(t *testing.T) {
	t.Parallel()
	var e Extensions
	for _, line := range []string{"pipelining", "Size 1000", "auth=PLAIN LOGIN", "8bitmime", "StartTLS", "dsn", "SmtpUTF8", "requiretls", "", "SIZE x"} {
		e.learn(line)
	}
	if !e.Pipelining || e.SizeLimit != 1000 || len(e.Auth) != 2 || e.Auth[0] != "PLAIN" ||
		!e.EightBitMIME || !e.StartTLS || !e.DSN || !e.SMTPUTF8 || !e.RequireTLS {
		t.Errorf("%+v", e)
	}
}

func FuzzXtext(f *testing.F) {
	f.Add("a+b=c d\r\nRCPT TO:<x>")
	f.Add("ä\\\xff")
	f.Fuzz(func(t *testing.T, s string) {
		for _, b := range [][]byte{appendXtext(nil, s), appendUTF8Xtext(nil, s), appendORcpt(nil, "rfc822;"+s), appendORcpt(nil, s)} {
			if i := bytes.IndexFunc(b, func(r rune) bool { return r < ' ' || r > '~' }); i >= 0 {
				t.Errorf("%q became %q", s, b)
			}
			if bytes.ContainsAny(bytes.TrimPrefix(b, []byte(" ORCPT=")), " ") {
				t.Errorf("%q became two parameters: %q", s, b)
			}
		}
	})
}
