// SPDX-License-Identifier: MIT

package smtpin

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"posthouse/internal/maillab"
	"posthouse/mail"
	"posthouse/policy"
	"posthouse/policy/content"
	"posthouse/reply"
	"posthouse/smtpd"
	"posthouse/table"
)

// tabled is the facts of a world with one access table, "inline:{...}" by its name.
type tabled struct {
	policy.Facts
	tables map[string]*table.Table
}

func (f tabled) Access(name, key string, whole bool) (action, where string, found bool) {
	view := f.tables[name].View()
	if !whole {
		view = table.Fixed(view)
	}
	return view.Lookup(key)
}

// accessWorld judges recipients by an access table.
func accessWorld(t *testing.T, virtual, pairs string) *world {
	t.Helper()
	w := newWorld(t, virtual)
	name := "inline:{" + pairs + "}"
	w.Facts = tabled{outside{world: w}, map[string]*table.Table{name: open(t, name)}}
	w.Lists.Relay = list(t, "reject_unauth_destination")
	w.Lists.Recipient = list(t, "check_recipient_access "+name)
	w.Trails = new(policy.Trails)
	return w
}

// send puts a message through a transaction: the reply to it, "" if it was taken.
func send(t testing.TB, tx smtpd.Transaction, env *mail.Envelope, text string) string {
	t.Helper()
	if err := tx.Data(t.Context()); err != nil {
		return reply.For(err).String()
	}
	msg, err := mail.ReadMessage(strings.NewReader(text), 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	msg.Header.Prepend(mail.ReceivedField(env, "mx.test", env.Arrived))
	if err := tx.Message(t.Context(), msg); err != nil {
		return reply.For(err).String()
	}
	tx.Close()
	return ""
}

const hello = "From: x@client.test\r\nSubject: hello\r\n\r\ntext\r\n"

const people = "a@alias.test a@drop.test\nb@alias.test b@drop.test\nabuse@alias.test abuse@drop.test\n"

func recipients(m maillab.Mail) string {
	var all []string
	for _, r := range m.Envelope.Recipients {
		all = append(all, r.To.String())
	}
	return strings.Join(all, " ")
}

// TestEffects: what an access table wants of the whole message is done to it, and nothing else.
func TestEffects(t *testing.T) {
	t.Parallel()
	for action, want := range map[string]string{
		"{a@alias.test = HOLD look at it}":           "a@drop.test b@drop.test hold=Recipient address [a@alias.test] look at it",
		"{a@alias.test = REDIRECT abuse@alias.test}": "abuse@drop.test hold=",
		"{a@alias.test = BCC abuse@alias.test}":      "a@drop.test b@drop.test abuse@drop.test hold=",
		"{a@alias.test = PREPEND X-Seen: yes}":       "X-Seen: yes",
		"{a@alias.test = DISCARD spam}":              "",
		"{b@alias.test = DISCARD spam}":              "",
	} {
		w := accessWorld(t, people, action)
		tx, env := w.begin(t, "x@client.test")
		for _, to := range []string{"a@alias.test", "b@alias.test"} {
			if got := rcpt(t, tx, env, to); got != "" {
				t.Errorf("%s: %s: %s", action, to, got)
			}
		}
		if got := send(t, tx, env, hello); got != "" {
			t.Errorf("%s: %s", action, got)
		}
		m, ok := w.queue.Next()
		if ok != (want != "") {
			t.Errorf("%s: queued %v", action, ok)
		}
		if want == "" {
			if !w.log.Has("status=discarded", "to=a@alias.test") || !w.log.Has("status=discarded", "to=b@alias.test") {
				t.Errorf("%s: discarded without a line: %s", action, w.log.String())
			}
			continue
		}
		got := recipients(m) + " hold=" + m.Envelope.Hold
		if strings.HasPrefix(want, "X-Seen") {
			got = header(t, m).Fields()[0].Value()
			want = "yes"
		}
		if got != want {
			t.Errorf("%s: %s, want %s", action, got, want)
		}
	}
}

// TestOwnRecipientUnknown: mail waits that our own table sends to nobody; its sender never wrote that address.
func TestOwnRecipientUnknown(t *testing.T) {
	t.Parallel()
	for _, action := range []string{"REDIRECT", "BCC"} {
		w := accessWorld(t, people, "{a@alias.test = "+action+" nobody@alias.test}")
		tx, env := w.begin(t, "x@client.test")
		rcpt(t, tx, env, "a@alias.test")
		if got := send(t, tx, env, hello); !strings.HasPrefix(got, "451 4.3.5") {
			t.Errorf("%s: %q", action, got)
		}
		if _, ok := w.queue.Next(); ok {
			t.Errorf("%s: queued", action)
		}
		if !w.log.Has("level=ERROR", "nobody@alias.test") {
			t.Errorf("%s: %s", action, w.log.String())
		}
	}
}

// TestNoBlindCopyToTheSender: a copy that fails is not reported to the sender.
func TestNoBlindCopyToTheSender(t *testing.T) {
	t.Parallel()
	w := accessWorld(t, people, "{a@alias.test = BCC abuse@alias.test}")
	tx, env := w.begin(t, "x@client.test")
	rcpt(t, tx, env, "a@alias.test")
	send(t, tx, env, hello)
	if m := w.queue.Last(); len(m.Envelope.Recipients) != 2 || m.Envelope.Recipients[1].Notify != mail.NotifyNever {
		t.Errorf("%+v", m.Envelope.Recipients)
	}
}

// TestHeaderChecks: refused, changed, held and thrown away by what the text says.
func TestHeaderChecks(t *testing.T) {
	t.Parallel()
	for action, want := range map[string]string{
		"REJECT no thanks":          "550 5.7.1 no thanks",
		"DISCARD":                   "discarded",
		"REPLACE Subject: other":    "Subject: other",
		"HOLD":                      "held",
		"REDIRECT abuse@alias.test": "abuse@drop.test",
	} {
		w := newWorld(t, people)
		checks := open(t, "regexp:"+file(t, "/^Subject: hello/ "+action+"\n"))
		w.Checks = func() *content.Checks { return &content.Checks{Header: checks.View()} }
		tx, env := w.begin(t, "x@client.test")
		rcpt(t, tx, env, "a@alias.test")
		got := send(t, tx, env, hello)
		m, queued := w.queue.Next()
		switch {
		case queued && m.Envelope.Hold != "":
			got = "held"
		case queued && want == recipients(m):
			got = want
		case queued:
			got = "Subject: " + header(t, m).Get("Subject")
		case got == "" && w.log.Has("status=discarded"):
			got = "discarded"
		}
		if got != want {
			t.Errorf("%s: %q, want %q", action, got, want)
		}
		if queued && (header(t, m).Count("Received") != 1 || !header(t, m).Fields()[0].Is("Received")) {
			t.Errorf("%s: our trace is lost: %s", action, header(t, m))
		}
	}
}

// TestBodyChecks: a line that is changed makes another body, which is queued.
func TestBodyChecks(t *testing.T) {
	t.Parallel()
	w := newWorld(t, people)
	checks := open(t, "regexp:"+file(t, "/^text/ REPLACE caf\xc3\xa9\n"))
	w.Checks = func() *content.Checks { return &content.Checks{Body: checks.View()} }
	w.Spool = spool{}
	tx, env := w.begin(t, "x@client.test")
	rcpt(t, tx, env, "a@alias.test")
	if got := send(t, tx, env, hello); got != "" {
		t.Fatal(got)
	}
	m := w.queue.Last()
	if !strings.HasSuffix(m.Text, "\r\n\r\ncaf\xc3\xa9\r\n") || !m.Envelope.EightBit {
		t.Errorf("%q, 8 bits: %v", m.Text, m.Envelope.EightBit)
	}
	w.Spool = spool{errors.New("disk full")}
	tx, env = w.begin(t, "x@client.test")
	rcpt(t, tx, env, "a@alias.test")
	if got := send(t, tx, env, hello); !strings.HasPrefix(got, "451 4.3.0") {
		t.Errorf("a body that could not be written: %q", got)
	}
}

// TestRefusalsAreKept: with the id that the log has, and what was asked on the way.
func TestRefusalsAreKept(t *testing.T) {
	t.Parallel()
	w := accessWorld(t, people, "{a@alias.test = REJECT go away}")
	tx, env := w.begin(t, "x@client.test")
	rcpt(t, tx, env, "b@alias.test")
	if got := rcpt(t, tx, env, "a@alias.test"); got != "554 5.7.1" {
		t.Fatal(got)
	}
	kept := w.Trails.Find(env.ID)
	if len(kept) != 1 || kept[0].To != "a@alias.test" || !strings.HasPrefix(kept[0].Reply, "554 5.7.1") {
		t.Fatalf("%+v", kept)
	}
	asked := false
	for _, s := range kept[0].Steps {
		asked = asked || strings.Contains(s.Asked, "a@alias.test") && strings.Contains(s.Answer, "REJECT go away")
		if strings.Contains(s.Asked, "b@alias.test") {
			t.Errorf("a step of another recipient: %+v", s)
		}
	}
	if !asked {
		t.Errorf("no word of the table: %+v", kept[0].Steps)
	}
}

// TestRefusalsSayWhy: what refused a message stands among its steps, where no restriction did.
func TestRefusalsSayWhy(t *testing.T) {
	t.Parallel()
	gate := gated(t, "enforce")
	for _, c := range []struct {
		w        *world
		to, want string
	}{
		{newWorld(t, people), "nobody@alias.test", "virtual_alias_maps nobody@alias.test leads to nobody"},
		{newWorld(t, people), "SRS0=xxxx=2Y=a.test=b@srs.test", "srs SRS0=xxxx=2Y=a.test=b@srs.test "},
		{gate, "a@alias.test", "gate  gate: dnsbl_sites: 3 of 2 by zen.test*3"},
	} {
		c.w.Trails = new(policy.Trails)
		if c.w == gate {
			gate.knock(t, "192.0.2.9", false)
		} else {
			tx, env := c.w.begin(t, "x@client.test")
			rcpt(t, tx, env, c.to)
		}
		kept := c.w.Trails.Last(1)
		if len(kept) != 1 || !slices.ContainsFunc(kept[0].Steps, func(s policy.Step) bool {
			return strings.HasPrefix(s.Rule+" "+s.Asked+" "+s.Answer, c.want)
		}) {
			t.Errorf("%s: no %q in %+v", c.to, c.want, kept)
		}
	}
}

// header is that of a message in the queue.
func header(t testing.TB, m maillab.Mail) *mail.Header {
	t.Helper()
	msg, err := mail.ReadMessage(strings.NewReader(m.Text), 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	return &msg.Header
}

// file is a table's.
func file(t testing.TB, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "table")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// spool is one in memory, or on a disk that fails.
type spool struct{ err error }

func (s spool) Create() (mail.Draft, error) {
	if s.err != nil {
		return nil, s.err
	}
	return maillab.Spool{}.Create()
}
