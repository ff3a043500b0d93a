// SPDX-License-Identifier: MIT

package smtpout

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"

	"posthouse/config"
	"posthouse/dkim"
	"posthouse/internal/maillab"
	"posthouse/mail"
	"posthouse/reply"
)

func TestDialogues(t *testing.T) {
	t.Parallel()
	maillab.PlayAll(t, "testdata/*.txt", func(t *testing.T) maillab.Dialogue { return newWorld(t).serve(t) })
}

// TestBusy: a password that cannot be checked now is not a wrong one.
func TestBusy(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.busy = true
	w.serve(t).Play(t, "busy", start+strings.Repeat("C: "+logIn+"S: 454 4.7.0 Temporary authentication failure\n", 5))
}

const (
	start = "S: 220\nC: EHLO client.test\nS: 250\nC: STARTTLS\nS: 220\nTLS\nC: EHLO client.test\nS: 250\n"
	logIn = "AUTH PLAIN AHBpbUB1c2VyLnRlc3QAc2VjcmV0\n"
)

// submit logs in, or comes from mynetworks, and gives what was queued for a message. Its lines end in LF here.
func (w *world) submit(t *testing.T, from, text string) maillab.Mail {
	t.Helper()
	talk := "S: 220\nC: EHLO client.test\nS: 250\n"
	if w.Mynetworks == nil {
		talk = start + "C: " + logIn + "S: 235\n"
	}
	talk += "C: MAIL FROM:<" + from + ">\nS: 250\nC: RCPT TO:<x@away.test>\nS: 250\nC: DATA\nS: 354\n"
	for line := range strings.SplitSeq(strings.TrimSuffix(text, "\n"), "\n") {
		talk += "C| " + line + "\n"
	}
	w.serve(t).Play(t, "submission", talk+"C: .\nS: 250\nQ: <"+from+"> -> <x@away.test>\n")
	return w.queue.Last()
}

// names are the fields of a message, in order.
func names(t *testing.T, m maillab.Mail) (string, *mail.Message) {
	t.Helper()
	msg, err := mail.ReadMessage(strings.NewReader(m.Text), 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, f := range msg.Header.Fields() {
		all = append(all, f.Name())
	}
	return strings.Join(all, " "), msg
}

// TestHeader: what is missing is added, what is nobody's business leaves (RFC 6409 8).
func TestHeader(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ text, fields string }{
		"bare":     {"From: pim@else.test\n\nx\n", "Received From Date Message-ID"},
		"complete": {"date: then\nFrom: pim@else.test\nMESSAGE-ID: <1@x.test>\n\nx\n", "Received date From MESSAGE-ID"},
		"secret": {"Return-Path: <x@y.test>\nBcc: a@x.test,\n b@x.test\nFrom: pim@else.test\nbcc: c@x.test\nResent-Bcc: d@x.test\nX-Bcc: e\n\nBcc: f\n",
			"Received From X-Bcc Date Message-ID"},
		"no header": {"\nx\n", "Received Date Message-ID"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := newWorld(t).submit(t, "pim@else.test", c.text)
			got, msg := names(t, m)
			if got != c.fields {
				t.Errorf("%s\n%s", got, m.Text)
			}
			h := msg.Header
			if name == "bare" && (h.Get("Date") != "Sat, 21 Nov 2026 12:00:00 +0000" || h.Get("Message-ID") != "<"+string(m.Envelope.ID)+"@out.test>") {
				t.Errorf("%s", m.Text)
			}
			if login := m.Envelope.Client.Login; login != "pim@user.test" || strings.Contains(h.Get("Received"), login) {
				t.Errorf("login %q in the envelope, and %q", login, h.Get("Received"))
			}
		})
	}
}

// TestSignature: it holds for exactly what is queued, with all that was added and without what was dropped.
func TestSignature(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"plain": "From: Pim <pim@user.test>\nBcc: a@x.test\nSubject: a\n  folded one\n\nHello\n..dot\n\n\n",
		"empty": "From: pim@user.test\n\n",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.checkSigned(t, w.submit(t, "pim@user.test", text))
		})
	}
}

// checkSigned wants one good signature, on top.
func (w *world) checkSigned(t *testing.T, m maillab.Mail) {
	t.Helper()
	fields, msg := names(t, m)
	if !strings.HasPrefix(fields, "DKIM-Signature Received From ") {
		t.Errorf("fields: %s", fields)
	}
	lookup := func(context.Context, string) ([]string, error) { return []string{w.record}, nil }
	got := dkim.Verify(t.Context(), msg, lookup)
	if len(got) != 1 || got[0].Status != dkim.Pass || got[0].Domain != "user.test" {
		t.Fatalf("%+v\n%s", got, m.Text)
	}
	signed := strings.ToLower(strings.Join(got[0].Signed, " "))
	if strings.Contains(signed, "received") || strings.Contains(signed, "return-path") || !strings.Contains(signed, "message-id") {
		t.Errorf("signed: %s", signed)
	}
}

// TestBareNewline: users' scripts send bare LF; it becomes CRLF before the message is signed.
func TestBareNewline(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.serve(t).Play(t, "bare", start+"C: "+logIn+"S: 235\n"+
		"C: MAIL FROM:<pim@user.test>\nS: 250\nC: RCPT TO:<x@away.test>\nS: 250\nC: DATA\nS: 354\n"+
		"B: From: pim@user.test\\nSubject: x\\n\\none\\ntwo\\r\\n.\\r\\n\nS: 250\nQ: <pim@user.test> -> <x@away.test>\n")
	m := w.queue.Last()
	w.checkSigned(t, m)
	if !strings.HasSuffix(m.Text, "\r\n\r\none\r\ntwo\r\n") {
		t.Errorf("%q", m.Text)
	}
}

// TestUnsigned: nobody asked for a signature.
func TestUnsigned(t *testing.T) {
	t.Parallel()
	if fields, _ := names(t, newWorld(t).submit(t, "pim@else.test", "From: pim@else.test\n\nx\n")); strings.Contains(fields, "DKIM") {
		t.Error(fields)
	}
	w := newWorld(t)
	w.Signer = nil
	if fields, _ := names(t, w.submit(t, "pim@user.test", "From: pim@user.test\n\nx\n")); strings.Contains(fields, "DKIM") {
		t.Error(fields)
	}
}

// TestTwoSignatures: both above all else.
func TestTwoSignatures(t *testing.T) {
	t.Parallel()
	fields, _ := names(t, newWorld(t).submit(t, "pim@two.test", "From: pim@two.test\n\nx\n"))
	if !strings.HasPrefix(fields, "DKIM-Signature DKIM-Signature Received ") {
		t.Error(fields)
	}
}

// TestMynetworks: a host of ours needs neither login nor TLS, and is held to no sender.
func TestMynetworks(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.Mynetworks = loopback
	m := w.submit(t, "anybody@user.test", "From: anybody@user.test\n\nx\n")
	if fields, _ := names(t, m); !strings.HasPrefix(fields, "DKIM-Signature Received") || m.Envelope.Client.Login != "" {
		t.Errorf("%s, login %q", fields, m.Envelope.Client.Login)
	}
}

// unreadable is a body on a broken disk.
type unreadable struct{ mail.Bytes }

func (unreadable) Open() (io.ReadCloser, error) { return nil, errors.New("broken disk") }

// TestQueueRefuses: the queue's reply is the answer; a body that cannot be read is trouble of ours.
func TestQueueRefuses(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.queue.Answer(mail.Result{Status: mail.Deferred, Reply: reply.DiskFull})
	msg, _ := mail.ReadMessage(strings.NewReader("From: pim@user.test\n\nx\n"), 1000)
	tx := &transaction{service: w.Service, client: &mail.Client{}, env: &mail.Envelope{ID: "x", Recipients: make([]mail.Recipient, 1)}}
	if err := tx.Message(t.Context(), msg); err == nil || reply.For(err).Enhanced != reply.DiskFull.Enhanced {
		t.Error(err)
	}
	msg.Body = unreadable{}
	if err := tx.Message(t.Context(), msg); err == nil || reply.For(err).Enhanced != reply.LocalError.Enhanced {
		t.Error(err)
	}
}

const section = "hostname: out.test\nlisten: [\":587\"]\n"

// TestConfig: what is right, and what is said of the rest.
func TestConfig(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ text, want string }{
		{section + "auth: {passwd_file: users}\n", ""},
		{section, "nobody could submit"},
		{section + "auth: {}\n", "auth needs a passwd_file"},
		{section + "auth: {passwd_file: users}\ndkim: {signing_table: x}\n", "dkim needs a key_table"},
		{section + "auth: {passwd_file: users}\nrelay_restrictions: [permit]\n", "nothing refuses to relay for strangers"},
	} {
		var into Config
		_, report := config.Parse("x.yaml", []byte(c.text), &into)
		switch err := report.Err(); {
		case c.want == "" && (err != nil || into.ForbidBareNewline != "normalize"):
			t.Errorf("%s\n%v", c.text, err)
		case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)):
			t.Errorf("%s\nwant %q, got %v", c.text, c.want, err)
		}
	}
}
