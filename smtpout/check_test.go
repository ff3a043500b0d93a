// SPDX-License-Identifier: MIT

package smtpout

import (
	"strings"
	"sync/atomic"
	"testing"

	"posthouse/internal/maillab"
	"posthouse/mail"
	"posthouse/policy/content"
	"posthouse/table"
)

// checked puts tables of patterns in front of a world.
func (w *world) checked(t testing.TB, header, body string) {
	t.Helper()
	open := func(name, text string) table.View {
		dir := t.TempDir()
		write(t, dir, name, text)
		tab, err := table.Open(table.MustRef("regexp:"+name), dir)
		if err != nil {
			t.Fatal(err)
		}
		return tab.View()
	}
	checks := &content.Checks{Header: open("header", header), Body: open("body", body)}
	w.Checks, w.Spool = func() *content.Checks { return checks }, maillab.Spool{}
}

// TestChecks: what the tables say of a submitted message is done.
func TestChecks(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, header, body string
		want               string
		logged             []string
	}{
		{name: "nothing", want: "a@far.test b@far.test"},
		{name: "reject", header: "/^Subject: hello/ REJECT no, thanks\n", want: "550 5.7.1 no, thanks"},
		{name: "what is added is seen", header: "/^Message-ID: <x@out.test>/ REJECT added\n", want: "550 5.7.1 added"},
		{name: "body", body: "/^text/ REJECT 4.7.1 later\n", want: "451 4.7.1 later"},
		{name: "discard", header: "/^Subject:/ DISCARD\n", want: "discarded"},
		{name: "hold", header: "/^Subject:/ HOLD look\n", want: "a@far.test b@far.test held"},
		{name: "redirect", body: "/text/ REDIRECT c@far.test\n", want: "c@far.test"},
		{name: "bcc", body: "/text/ BCC c@far.test\n", want: "a@far.test b@far.test c@far.test"},
		{name: "a line that is wrong", header: "/^Subject:/ REJCT\n", want: "a@far.test b@far.test", logged: []string{"cannot be obeyed", "REJCT"}},
		{name: "info", header: "/^Subject:/ INFO seen\n", want: "a@far.test b@far.test", logged: []string{"content check", "info: header Subject: hello: seen"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := filtered(t, maillab.NewFilter(t))
			w.checked(t, c.header, c.body)
			if got := w.fate(t, w.handIn(t)); got != c.want {
				t.Errorf("%q, want %q", got, c.want)
			}
			if len(c.logged) > 0 && !w.log.Has(c.logged...) {
				t.Errorf("%q is not in the log:\n%s", c.logged, w.log.String())
			}
		})
	}
}

// TestChecksBeforeFilters: filters see what the tables have left, PASS ends the inspection and spares them the message, and what
// tables change is signed.
func TestChecksBeforeFilters(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, header string
		end, body    string
		told         int // fields, of which our Received is none
	}{
		{name: "ours stays", header: "/^Received: from elsewhere/ IGNORE\n/^Subject:/ REPLACE Subject: other\n", body: "bärtig", told: 4},
		{name: "PASS", header: "/^Received: from elsewhere/ IGNORE\n/^Subject:/ REPLACE Subject: other\n/^Message-ID:/ PASS\n", end: "r", body: "text"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			f := maillab.NewFilter(t, strings.Fields(c.end)...)
			f.Heard = make(chan byte, 1000)
			w := filtered(t, f)
			w.checked(t, c.header, "/^text/ REPLACE bärtig\n")
			if got := w.handIn(t, "Received: from elsewhere (home [192.168.1.2]) by office\r\n"); got != "" {
				t.Fatal(got)
			}
			m := w.queue.Last()
			fields, _ := names(t, m)
			if fields != "DKIM-Signature Received From Subject Date Message-ID" || strings.Contains(m.Text, "192.168.1.2") ||
				!strings.Contains(m.Text, "\r\nSubject: other\r\n") || !strings.HasSuffix(m.Text, "\r\n\r\n"+c.body+"\r\n") || m.Envelope.EightBit != (c.body == "bärtig") {
				t.Errorf("8 bit: %v\n%s", m.Envelope.EightBit, m.Text)
			}
			w.checkSigned(t, m)
			if heard := heard(f); strings.Count(heard, "L") != c.told {
				t.Errorf("the filter heard %q, want %d fields (L)", heard, c.told)
			}
		})
	}
}

// heard is what a filter was told by now.
func heard(f *maillab.Filter) string {
	var all []byte
	for {
		select {
		case b := <-f.Heard:
			all = append(all, b)
		default:
			return string(all)
		}
	}
}

// TestReceivedDropped: tables may drop our own Received field too; filters then still see the one below it.
func TestReceivedDropped(t *testing.T) {
	t.Parallel()
	f := maillab.NewFilter(t, "a")
	f.Heard = make(chan byte, 1000)
	w := filtered(t, f)
	w.checked(t, "/^Received: .*out\\.test/ IGNORE\n", "")
	if got := w.handIn(t, "Received: from elsewhere by office\r\n"); got != "" {
		t.Fatal(got)
	}
	if fields, _ := names(t, w.queue.Last()); fields != "DKIM-Signature Received From Subject Date Message-ID" || !strings.Contains(w.queue.Last().Text, "from elsewhere") {
		t.Errorf("%s", w.queue.Last().Text)
	}
	if heard := heard(f); strings.Count(heard, "L") != 5 {
		t.Errorf("the filter heard %q", heard)
	}
}

// TestWrittenBodiesAreGivenBack: however the message ends.
func TestWrittenBodiesAreGivenBack(t *testing.T) {
	t.Parallel()
	for _, end := range []string{"a", "r", "d"} {
		w := filtered(t, maillab.NewFilter(t, "banother text\r\n", end))
		w.checked(t, "", "/^text/ REPLACE other\n")
		var drafts atomic.Int32
		w.Spool = counting{&drafts}
		w.handIn(t)
		if n := drafts.Load(); n != 0 {
			t.Errorf("%s: %d bodies are left", end, n)
		}
	}
}

// counting is a spool that knows how many of its drafts nobody has discarded.
type counting struct{ open *atomic.Int32 }

func (c counting) Create() (mail.Draft, error) {
	d, err := maillab.Spool{}.Create()
	c.open.Add(1)
	return &counted{d, c.open}, err
}

type counted struct {
	mail.Draft
	open *atomic.Int32
}

func (c *counted) Discard() { c.open.Add(-1) }
