// SPDX-License-Identifier: MIT

package smtpout

import (
	"net/netip"
	"strings"
	"testing"

	"posthouse/config"
	"posthouse/internal/maillab"
	"posthouse/mail"
	"posthouse/milter"
	"posthouse/policy"
	"posthouse/reply"
)

// filtered is a world behind a filter, and a client of mynetworks.
func filtered(t testing.TB, f *maillab.Filter) *world {
	t.Helper()
	w := newWorld(t)
	w.Mynetworks = []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}
	var c milter.Config
	c.SetDefaults()
	c.Address = config.Address{Network: "tcp", Host: "127.0.0.1", Port: f.Port()}
	w.Filters = milter.New([]milter.Config{c}, milter.Options{Hostname: "out.test", Spool: maillab.Spool{}, Log: w.log.Logger()})
	w.Lists = policy.Lists{}
	return w
}

// handIn hands in a message from pim@user.test to a@far.test and b@far.test, with further fields on top: the reply, "" if it was taken.
func (w *world) handIn(t testing.TB, fields ...string) string {
	t.Helper()
	c := &mail.Client{HELO: "client.test", Addr: netip.MustParseAddrPort("192.0.2.9:1")}
	s, err := w.Connect(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	from, _ := mail.ParseAddress("pim@user.test")
	env := &mail.Envelope{ID: "x", From: from, Client: *c}
	tx, err := s.Mail(t.Context(), env)
	if err != nil {
		return reply.For(err).String()
	}
	defer tx.Close()
	for _, text := range []string{"a@far.test", "b@far.test"} {
		to, _ := mail.ParseAddress(text)
		r := mail.Recipient{To: to, Given: to}
		if err := tx.Rcpt(t.Context(), r); err != nil {
			return reply.For(err).String()
		}
		env.Recipients = append(env.Recipients, r)
	}
	if err := tx.Data(t.Context()); err != nil {
		return reply.For(err).String()
	}
	msg, err := mail.ReadMessage(strings.NewReader(strings.Join(fields, "")+"From: pim@user.test\r\nSubject: hello\r\n\r\ntext\r\n"), 1000)
	if err != nil {
		t.Fatal(err)
	}
	msg.Header.Prepend(mail.ReceivedField(env, "out.test", env.Arrived))
	if err := tx.Message(t.Context(), msg); err != nil {
		return reply.For(err).String()
	}
	return ""
}

// TestFilters: what a filter wants of a submitted message is done, and what it throws away is logged.
func TestFilters(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, want string
		end        []string
	}{
		{"nothing", "a@far.test b@far.test", nil},
		{"adds", "a@far.test b@far.test c@far.test", []string{"+<c@far.test>\x00"}},
		{"deletes", "b@far.test", []string{"-<a@far.test>\x00"}},
		{"deletes all", "discarded", []string{"-<a@far.test>\x00", "-<b@far.test>\x00"}},
		{"quarantine", "a@far.test b@far.test held", []string{"qlook\x00"}},
		{"discard", "discarded", []string{"d"}},
		{"reject", "550 5.7.1 no", []string{"y550 5.7.1 no\x00"}},
	} {
		w := filtered(t, maillab.NewFilter(t, c.end...))
		if got := w.fate(t, w.handIn(t)); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}

// fate is what has become of a message that was handed in: its recipients, "discarded", or the reply.
func (w *world) fate(t testing.TB, reply string) string {
	t.Helper()
	m, queued := w.queue.Next()
	switch {
	case queued:
		for _, r := range m.Envelope.Recipients {
			reply = strings.TrimSpace(reply + " " + r.To.String())
		}
		if m.Envelope.Hold != "" {
			reply += " held"
		}
	case reply == "" && w.log.Has("status=discarded", "to=a@far.test") && w.log.Has("status=discarded", "to=b@far.test"):
		return "discarded"
	}
	return reply
}

// TestSignedAfterFilters: the signature is over what is queued, the filter's changes included, and our Received stays above.
func TestSignedAfterFilters(t *testing.T) {
	t.Parallel()
	w := filtered(t, maillab.NewFilter(t, "m\x00\x00\x00\x01Subject\x00other\x00", "bother text\r\n"))
	if got := w.handIn(t); got != "" {
		t.Fatal(got)
	}
	m := w.queue.Last()
	if !strings.HasSuffix(m.Text, "\r\n\r\nother text\r\n") || !strings.Contains(m.Text, "\r\nSubject: other\r\n") {
		t.Errorf("%q", m.Text)
	}
	w.checkSigned(t, m)
}
