// SPDX-License-Identifier: MIT

package maildrop

import (
	"strings"
	"testing"

	"posthouse/mail"
	"posthouse/policy"
	"posthouse/reply"
	"posthouse/table"
)

// tabled is facts with one access table.
type tabled struct {
	policy.Facts
	view table.View
}

func (f tabled) Access(_, key string, _ bool) (action, where string, found bool) {
	return f.view.Lookup(key)
}

// TestEffects: what an access table wants of the whole message is done, and what it throws away is logged.
func TestEffects(t *testing.T) {
	t.Parallel()
	for action, want := range map[string]string{
		"HOLD look":              "held",
		"DISCARD":                "discarded",
		"REDIRECT ann@drop.test": "ann@drop.test",
		"BCC ann@drop.test":      "ben@drop.test ann@drop.test",
		"PREPEND X-Seen: yes":    "X-Seen",
		"REJECT":                 "554",
	} {
		w := newWorld(t)
		name := "inline:{{from@client.test = " + action + "}}"
		opened, err := table.Open(table.MustRef(name), "")
		if err != nil {
			t.Fatal(err)
		}
		w.Facts = tabled{w.Facts, opened.View()}
		w.Lists.Sender, _ = policy.ParseList([]string{"check_sender_access " + name})
		got := w.send(t, "ben@drop.test")
		m, queued := w.queue.Next()
		switch {
		case queued && m.Envelope.Hold != "":
			got = "held"
		case queued && strings.HasPrefix(m.Text, "X-Seen: yes"):
			got = "X-Seen"
		case queued:
			for _, r := range m.Envelope.Recipients {
				got = strings.TrimSpace(got + " " + r.To.String())
			}
		case got == "" && w.log.Has("status=discarded"):
			got = "discarded"
		}
		if !strings.HasPrefix(got, want) {
			t.Errorf("%s: %q, want %q", action, got, want)
		}
	}
}

// send sends a message to one recipient: the reply, "" if it was taken.
func (w *world) send(t testing.TB, to string) string {
	t.Helper()
	c := &mail.Client{HELO: "client.test"}
	s, err := w.Connect(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	from, _ := mail.ParseAddress("from@client.test")
	p, _ := mail.ParseAddress(to)
	env := &mail.Envelope{ID: "x", From: from, Client: *c}
	tx, err := s.Mail(t.Context(), env)
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Close()
	r := mail.Recipient{To: p, Given: p}
	if err := tx.Rcpt(t.Context(), r); err != nil {
		return reply.For(err).String()
	}
	env.Recipients = append(env.Recipients, r)
	if err := tx.Data(t.Context()); err != nil {
		return reply.For(err).String()
	}
	msg, err := mail.ReadMessage(strings.NewReader("Subject: x\r\n\r\ntext\r\n"), 1000)
	if err != nil {
		t.Fatal(err)
	}
	if err := tx.Message(t.Context(), msg); err != nil {
		return reply.For(err).String()
	}
	return ""
}
