// SPDX-License-Identifier: MIT

package smtpd

import (
	"encoding/base64"
	"errors"
	"strings"
	"testing"

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
