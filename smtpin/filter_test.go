// SPDX-License-Identifier: MIT

package smtpin

import (
	"strings"
	"testing"
	"time"

	"posthouse/config"
	"posthouse/internal/maillab"
	"posthouse/mail"
	"posthouse/milter"
	"posthouse/policy/content"
	"posthouse/reply"
	"posthouse/upstream"
)

// filtered is a world behind that filter.
func filtered(t testing.TB, f *maillab.Filter, action string) *world {
	t.Helper()
	w := newWorld(t, people)
	var c milter.Config
	c.SetDefaults()
	c.DefaultAction, c.ConnectTimeout = action, config.Duration(2*time.Second)
	var s upstream.Server
	s.SetDefaults()
	s.Address = config.Address{Network: "tcp", Host: "127.0.0.1", Port: f.Port()}
	c.Upstream = []upstream.Server{s}
	w.Spool = spool{}
	w.Filters = milter.New([]milter.Config{c}, milter.Options{Hostname: "mx.test", Spool: spool{}, Log: w.log.Logger(),
		Failed: func(string) { w.failed.Add(1) }})
	return w
}

// TestFilters: what a filter wants of a message is done, and never does a message that was not thrown away in so many words get a 250
// without being queued.
func TestFilters(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, want string
		end        []string
	}{
		{"nothing", "a@drop.test b@drop.test", nil},
		{"adds", "a@drop.test b@drop.test abuse@drop.test", []string{"+<abuse@alias.test>\x00"}},
		{"deletes", "b@drop.test", []string{"-<a@alias.test>\x00"}},
		{"deletes whatever the case", "b@drop.test", []string{"-<A@ALIAS.test>\x00"}},
		{"deletes and adds the same", "b@drop.test a@drop.test", []string{"-<a@alias.test>\x00", "+<a@alias.test>\x00"}},
		{"deletes all", "discarded", []string{"-<a@alias.test>\x00", "-<b@alias.test>\x00"}},
		{"replaces all by nobody", "451 4.3.5", []string{"-<a@alias.test>\x00", "-<b@alias.test>\x00", "+<nobody@alias.test>\x00"}},
		{"quarantine", "a@drop.test b@drop.test held", []string{"qlook at it\x00"}},
		{"discard", "discarded", []string{"d"}},
		{"reject", "550", []string{"r"}},
		{"reply", "550 5.7.1", []string{"y550 5.7.1 no thanks\x00"}},
		{"edits and discards", "discarded", []string{"hX-Spam\x00yes\x00", "d"}},
	} {
		w := filtered(t, maillab.NewFilter(t, c.end...), "tempfail")
		tx, env := w.begin(t, "x@client.test")
		for _, to := range []string{"a@alias.test", "b@alias.test"} {
			if got := rcpt(t, tx, env, to); got != "" {
				t.Fatalf("%s: %s", c.name, got)
			}
		}
		got := send(t, tx, env, hello)
		m, queued := w.queue.Next()
		switch {
		case queued && got == "":
			got = recipients(m)
			if m.Envelope.Hold != "" {
				got += " held"
			}
		case got == "" && w.log.Has("status=discarded", "to=a@alias.test") && w.log.Has("status=discarded", "to=b@alias.test"):
			got = "discarded"
		}
		if got != c.want && !(strings.HasPrefix(got, c.want) && c.want[0] == '5' || strings.HasPrefix(got, c.want) && c.want[0] == '4') {
			t.Errorf("%s: %q, want %q\n%s", c.name, got, c.want, w.log.String())
		}
	}
}

// TestFilterEdits: header, sender and body as the filter wants them, below our own trace.
func TestFilterEdits(t *testing.T) {
	t.Parallel()
	w := filtered(t, maillab.NewFilter(t, "hX-Spam\x00no\x00", "m\x00\x00\x00\x01Subject\x00other\x00", "e<y@client.test>\x00", "bcaf\xc3\xa9\r\n"), "tempfail")
	tx, env := w.begin(t, "x@client.test")
	rcpt(t, tx, env, "a@alias.test")
	if got := send(t, tx, env, hello); got != "" {
		t.Fatal(got)
	}
	m := w.queue.Last()
	h := header(t, m)
	if h.Get("X-Spam") != "no" || h.Get("Subject") != "other" || h.Count("Subject") != 1 || !h.Fields()[0].Is("Received") {
		t.Errorf("header: %s", h)
	}
	if m.Envelope.From.String() != "y@client.test" || !strings.HasSuffix(m.Text, "\r\n\r\ncaf\xc3\xa9\r\n") || !m.Envelope.EightBit {
		t.Errorf("from %s, 8 bits %v: %q", m.Envelope.From, m.Envelope.EightBit, m.Text)
	}
}

// TestForwardAfterFilters: whose mail leaves us leaves with the sender that a filter has put in.
func TestForwardAfterFilters(t *testing.T) {
	t.Parallel()
	w := filtered(t, maillab.NewFilter(t, "e<y@client.test>\x00"), "tempfail")
	w.write(t, "a@alias.test a@far.test\n")
	if _, err := w.maps.Reload(); err != nil {
		t.Fatal(err)
	}
	tx, env := w.begin(t, "x@client.test")
	rcpt(t, tx, env, "a@alias.test")
	if got := send(t, tx, env, hello); got != "" {
		t.Fatal(got)
	}
	if to := w.queue.Last().Envelope.Recipients[0]; to.Sender == nil || !strings.HasSuffix(to.Sender.String(), "=client.test=y@srs.test") {
		t.Errorf("%s is sent mail from %v", to.To, to.Sender)
	}
}

// TestFilterAtTheDialogue: a filter refuses a client at MAIL, one recipient at RCPT, and throws away at DATA.
func TestFilterAtTheDialogue(t *testing.T) {
	t.Parallel()
	f := maillab.NewFilter(t)
	f.At['R'] = "y550 5.7.1 not her\x00"
	w := filtered(t, f, "tempfail")
	tx, env := w.begin(t, "x@client.test")
	if got := rcpt(t, tx, env, "a@alias.test"); got != "550 5.7.1" {
		t.Errorf("rcpt: %q", got)
	}
	f = maillab.NewFilter(t)
	f.At['T'] = "d"
	w = filtered(t, f, "tempfail")
	tx, env = w.begin(t, "x@client.test")
	rcpt(t, tx, env, "a@alias.test")
	if got := send(t, tx, env, hello); got != "" || !w.log.Has("status=discarded") {
		t.Errorf("data: %q", got)
	}
	if _, queued := w.queue.Next(); queued {
		t.Error("what was thrown away is queued")
	}
}

// TestFilterIsReset: a message that was refused before the filter has seen its text is given up there before the next one begins.
func TestFilterIsReset(t *testing.T) {
	t.Parallel()
	f := maillab.NewFilter(t)
	f.Heard = make(chan byte, 1000)
	w := filtered(t, f, "tempfail")
	checks := open(t, "regexp:"+file(t, "/^Subject: hello/ REJECT\n"))
	w.Checks = func() *content.Checks { return &content.Checks{Header: checks.View()} }
	client := &mail.Client{HELO: "client.test"}
	s, err := w.Connect(t.Context(), client)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for _, text := range []string{hello, "Subject: other\r\n\r\ntext\r\n"} {
		env := &mail.Envelope{ID: "x", From: path(t, "x@client.test"), Client: *client}
		tx, err := s.Mail(t.Context(), env)
		if err != nil {
			t.Fatal(err)
		}
		rcpt(t, tx, env, "a@alias.test")
		send(t, tx, env, text)
		tx.Close()
	}
	var heard []byte
	for len(f.Heard) > 0 {
		if c := <-f.Heard; strings.ContainsRune("MEA", rune(c)) {
			heard = append(heard, c)
		}
	}
	if string(heard) != "MAME" {
		t.Errorf("the filter has heard %s, not MAME", heard)
	}
}

// TestNoFilter: what is done without the filter is what the file says.
func TestNoFilter(t *testing.T) {
	t.Parallel()
	for action, want := range map[string]string{"accept": "queued", "quarantine": "held", "tempfail": "451", "reject": "5"} {
		f := maillab.NewFilter(t)
		f.Close()
		w := filtered(t, f, action)
		got := w.tryMail(t)
		if got == "" {
			tx, env := w.begin(t, "x@client.test")
			if got = rcpt(t, tx, env, "a@alias.test"); got == "" {
				got = send(t, tx, env, hello)
			}
		}
		if m, queued := w.queue.Next(); queued && got == "" {
			got = "queued"
			if m.Envelope.Hold != "" {
				got = "held"
			}
		}
		if !strings.HasPrefix(got, want) || w.failed.Load() == 0 {
			t.Errorf("%s: %q, want %s; %d failures", action, got, want, w.failed.Load())
		}
	}
}

// tryMail is the reply to MAIL, "" if it was taken.
func (w *world) tryMail(t testing.TB) string {
	t.Helper()
	s, err := w.Connect(t.Context(), &mail.Client{HELO: "client.test"})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	tx, err := s.Mail(t.Context(), &mail.Envelope{ID: "x", From: path(t, "x@client.test"), Client: mail.Client{HELO: "client.test"}})
	if err != nil {
		return reply.For(err).String()
	}
	tx.Close()
	return ""
}
