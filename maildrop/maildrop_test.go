// SPDX-License-Identifier: MIT

package maildrop

import (
	"context"
	"errors"
	"strings"
	"testing"

	"posthouse/config"
	"posthouse/internal/maillab"
	"posthouse/mail"
	"posthouse/reply"
	"posthouse/smtpd"
)

func TestDialogues(t *testing.T) {
	t.Parallel()
	maillab.PlayAll(t, "testdata/*.txt", func(t *testing.T) maillab.Dialogue {
		w := newWorld(t)
		w.trusted = strings.HasSuffix(t.Name(), "/trusted")
		return w.serve(t)
	})
}

// begin opens a transaction as the frame does.
func (w *world) begin(t testing.TB) (smtpd.Transaction, *mail.Envelope) {
	t.Helper()
	s, err := w.Connect(t.Context(), &mail.Client{})
	if err != nil {
		t.Fatal(err)
	}
	env := &mail.Envelope{ID: "x", From: path(t, "a@client.test")}
	tx, err := s.Mail(t.Context(), env)
	if err != nil {
		t.Fatal(err)
	}
	return tx, env
}

// rcpt is the reply to a recipient in short, "" if it was taken.
func rcpt(ctx context.Context, t testing.TB, tx smtpd.Transaction, to string) string {
	t.Helper()
	if err := tx.Rcpt(ctx, mail.Recipient{To: path(t, to), Given: path(t, to)}); err != nil {
		return reply.For(err).String()[:9]
	}
	return ""
}

// TestStoreIsAskedOnce: the store's word is remembered, and its silence is not.
func TestStoreIsAskedOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.Lists.Recipient = nil
	asked := make(chan string, 100)
	w.store.Behave(func(e maillab.Event) maillab.Action {
		if e.Verb == "RCPT" {
			asked <- e.Argument
		}
		return someMailboxes(e)
	})
	for _, c := range []struct {
		to, want string
		asks     int
	}{
		{"box@drop.test", "", 1}, {"nobody@drop.test", "550 5.1.1", 1}, {"unsure@drop.test", "451 4.4.1", 3}, {"pim@drop.test", "", 0},
	} {
		for range 3 {
			tx, _ := w.begin(t)
			if got := rcpt(t.Context(), t, tx, c.to); got != c.want {
				t.Errorf("%s: %q", c.to, got)
			}
		}
		if n := len(asked); n != c.asks {
			t.Errorf("%s: asked %d times", c.to, n)
		}
		for len(asked) > 0 {
			<-asked
		}
	}
}

// TestStoreIsDown: what cannot be asked is asked again later.
func TestStoreIsDown(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.store.Close()
	tx, _ := w.begin(t)
	for to, want := range map[string]string{"box@drop.test": "451 4.4.1", "pim@drop.test": "", "list@drop.test": ""} {
		if got := rcpt(t.Context(), t, tx, to); got != want {
			t.Errorf("%s: %q", to, got)
		}
	}
}

// TestClientLeaves: the end of the client's connection ends the question.
func TestClientLeaves(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ctx, cancel := context.WithCancel(t.Context())
	w.store.Behave(func(e maillab.Event) maillab.Action {
		if e.Verb != "RCPT" {
			return maillab.Action{}
		}
		cancel()
		return maillab.Action{Stall: true}
	})
	tx, _ := w.begin(t)
	if got := rcpt(ctx, t, tx, "box@drop.test"); got != "451 4.4.1" {
		t.Error(got)
	}
	w.store.Behave(nil)
	if got := rcpt(t.Context(), t, tx, "box@drop.test"); got != "" {
		t.Errorf("and it does not count against the store: %q", got)
	}
}

// TestOneSnapshot: a table that changes under way counts from the next MAIL on.
func TestOneSnapshot(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	tx, env := w.begin(t)
	write(t, w.maps.Paths()[0], "pim@drop.test other\n")
	if changed, err := w.maps.Reload(); err != nil || !changed {
		t.Fatal(changed, err)
	}
	if got := rcpt(t.Context(), t, tx, "pim@drop.test"); got != "" {
		t.Fatal(got)
	}
	env.Recipients = []mail.Recipient{{To: path(t, "pim@drop.test"), Given: path(t, "pim@drop.test")}}
	if err := tx.Message(t.Context(), &mail.Message{Body: mail.Bytes("x\r\n")}); err != nil {
		t.Fatal(err)
	}
	if m, _ := w.queue.Next(); strings.Join(m.Lines(), "\n") != "<a@client.test> -> <pim@drop.test>" {
		t.Errorf("%q", m.Lines())
	}
}

// TestRefusedByTheQueue: the queue's reply is the answer, and nothing counts as discarded.
func TestRefusedByTheQueue(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.queue.Answer(mail.Result{Status: mail.Deferred, Reply: reply.DiskFull.Because(errors.New("full"))})
	tx, env := w.begin(t)
	env.Recipients = []mail.Recipient{{To: path(t, "nullgone@drop.test")}}
	if err := tx.Message(t.Context(), &mail.Message{Body: mail.Bytes("x\r\n")}); err == nil || reply.For(err).Enhanced != "4.3.1" {
		t.Error(err)
	}
	if w.log.Has("discarded") {
		t.Errorf("logged: %s", &w.log)
	}
}

const section = `
hostname: drop.test
listen: [":25"]
virtual_mailbox_domains: [drop.test]
`

// TestConfig: what is right, and what is said of the rest.
func TestConfig(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ text, want string }{
		{section + "lmtp: [\"unix:/run/lmtp\"]\n", ""},
		{section + "maildir: {root: /var/mail}\n", ""},
		{section, "needs lmtp (a Dovecot) or maildir"},
		{section + "lmtp: [\"unix:/run/lmtp\"]\nmaildir: {root: /var/mail}\n", "choose one of them"},
		{section + "maildir: {}\n", "needs root"},
		{strings.Replace(section, "virtual_mailbox_domains: [drop.test]", "maildir: {root: /var/mail}", 1), "needs virtual_mailbox_domains"},
		{section + "maildir: {root: /var/mail}\nrelay_restrictions: [permit]\n", "nothing refuses to relay for strangers"},
	} {
		var into Config
		_, report := config.Parse("x.yaml", []byte(c.text), &into)
		switch err := report.Err(); {
		case c.want == "" && err != nil:
			t.Errorf("%s\n%v", c.text, err)
		case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)):
			t.Errorf("%s\nwant %q, got %v", c.text, c.want, err)
		}
	}
}
