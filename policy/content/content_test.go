// SPDX-License-Identifier: MIT

package content

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"posthouse/internal/maillab"
	"posthouse/mail"
	"posthouse/policy"
	"posthouse/reply"
	"posthouse/table"
)

// view is a table of patterns.
func view(t testing.TB, kind, text string) table.View {
	t.Helper()
	if text == "" {
		return nil
	}
	path := filepath.Join(t.TempDir(), "checks")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	tab, err := table.Open(table.MustRef(kind+":"+path), "")
	if err != nil {
		t.Fatal(err)
	}
	return tab.View()
}

// letter is a message with LF for CRLF.
func letter(t testing.TB, text string) *mail.Message {
	t.Helper()
	head, body, _ := strings.Cut(strings.ReplaceAll(text, "\n", "\r\n"), "\r\n\r\n")
	h, err := mail.ParseHeader(head + "\r\n")
	if err != nil {
		t.Fatal(err)
	}
	return &mail.Message{Header: h, Body: mail.Bytes(body)}
}

func text(t testing.TB, r Result) string {
	t.Helper()
	msg := mail.Message{Header: r.Header, Body: r.Body}
	in, err := msg.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	all, err := io.ReadAll(in)
	if err != nil {
		t.Fatal(err)
	}
	if got := msg.Size(); got != int64(len(all)) {
		t.Errorf("size %d of %d octets", got, len(all))
	}
	return strings.ReplaceAll(string(all), "\r\n", "\n")
}

// run examines a message with header_checks and body_checks.
func run(t testing.TB, header, body, msg string) Result {
	t.Helper()
	c := &Checks{Header: view(t, "regexp", header), Body: view(t, "regexp", body)}
	r, err := c.Examine(t.Context(), letter(t, msg), maillab.Spool{})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// What arrives, for the probes that are shown to the real Postfix too (postfix_interop_test.go).
func TestProbes(t *testing.T) {
	t.Parallel()
	for _, p := range probes() {
		t.Run(p.name, func(t *testing.T) {
			t.Parallel()
			r := run(t, probeHeaderChecks, probeBodyChecks, p.message)
			if got := p.outcome(t, r); got != p.want {
				t.Errorf("got\n%s\nwant\n%s", short(got), short(p.want))
			}
		})
	}
}

func TestActions(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		action string
		reply  string
		hits   string
		faults string
	}{
		{action: "REJECT", reply: "550 5.7.1 Message content rejected", hits: "reject: header Subject: x: 5.7.1 Message content rejected"},
		{action: "reject no, thanks", reply: "550 5.7.1 no, thanks", hits: "reject: header Subject: x: 5.7.1 no, thanks"},
		{action: "REJECT 5.6.9 bad", reply: "550 5.6.9 bad", hits: "reject: header Subject: x: 5.6.9 bad"},
		{action: "REJECT 4.7.0 later", reply: "451 4.7.0 later", hits: "reject: header Subject: x: 4.7.0 later"},
		{action: "REJECT 2.0.0 odd", reply: "550 2.0.0 odd", hits: "reject: header Subject: x: 2.0.0 odd", faults: "4.x.x or 5.x.x"},
		{action: "554 no", reply: "554 5.7.1 no", hits: "reject: header Subject: x: 5.7.1 no"},
		{action: "450 4.2.1 soon", reply: "450 4.2.1 soon", hits: "reject: header Subject: x: 4.2.1 soon"},
		{action: "DISCARD", hits: "discard: header Subject: x"},
		{action: "WARN look", hits: "warning: header Subject: x: look"},
		{action: "INFO", hits: "info: header Subject: x"},
		{action: "PASS good", hits: "pass: header Subject: x: good"},
		{action: "DUNNO"}, {action: "ok"}, {action: "IGNORE"},
		{action: "STRIP it", hits: "strip: header Subject: x: it"},
		{action: "HOLD why", hits: "hold: header Subject: x: why"},
		{action: "REDIRECT a@b.test", hits: "redirect: header Subject: x: a@b.test"},
		{action: "REDIRECT here", faults: "user@domain is needed"},
		{action: "BCC a@b.test", hits: "bcc: header Subject: x: a@b.test"},
		{action: "BCC nobody", faults: "user@domain is needed"},
		{action: "PREPEND", faults: "without a text"},
		{action: "PREPEND text", faults: "a header field is needed"},
		{action: "REPLACE text", faults: "a header field is needed"},
		{action: "FILTER smtp:x", faults: "not supported"},
		{action: "FROBNICATE", faults: "is no action"},
		{action: "250 ok", faults: "is no action"},
	} {
		t.Run(c.action, func(t *testing.T) {
			t.Parallel()
			r := run(t, "/^Subject:/ "+c.action+"\n", "", "Subject: x\n\ntext\n")
			if got := r.Verdict.Reply; got.Code != 0 && got.String() != c.reply || got.Code == 0 && c.reply != "" {
				t.Errorf("%v, want %s", got, c.reply)
			}
			hits := ""
			for _, h := range r.Hits {
				hits += h.String()
			}
			if hits != c.hits {
				t.Errorf("hits %s", hits)
			}
			if faults := strings.Join(r.Faults, " "); (faults == "") != (c.faults == "") || !strings.Contains(faults, c.faults) {
				t.Errorf("faults %s", faults)
			}
			if n := len(Problems(view(t, "regexp", "/^Subject:/ "+c.action+"\n"), true)); (n > 0) != (c.faults != "") {
				t.Errorf("config check: %d problems", n)
			}
		})
	}
}

func TestEffects(t *testing.T) {
	t.Parallel()
	r := run(t, "/^A:/ HOLD first\n/^B:/ HOLD second\n/^C:/ BCC c@x.test\n/^D:/ REDIRECT d@x.test\n/^E:/ REJECT\n", "/./ REJECT\n",
		"A: 1\nB: 1\nC: 1\nC: 2\nD: 1\nE: 1\n\ntext\n")
	e := r.Effects
	if e.Hold != "first" || len(e.Bcc) != 1 || e.Redirect == nil || e.Redirect.String() != "d@x.test" || r.Verdict.Action != policy.Dunno {
		t.Errorf("%+v %+v", e, r.Verdict)
	}
	r = run(t, "/^A:/ PASS\n/^B:/ REJECT\n", "/./ REJECT\n", "A: 1\nB: 1\n\ntext\n")
	if !r.Pass || r.Verdict.Action != policy.Dunno {
		t.Errorf("PASS: %+v", r)
	}
	r = run(t, "", "/two/ DISCARD\n/one/ PREPEND zero\n", "A: 1\n\none\ntwo\n")
	if r.Verdict.Action != policy.Discard || r.Effects.Discard == "" || r.Draft != nil {
		t.Errorf("DISCARD: %+v", r)
	}
}

// mime_header_checks and nested_header_checks may be tables of their own.
func TestClasses(t *testing.T) {
	t.Parallel()
	c := &Checks{Header: view(t, "pcre", "/./ INFO primary\n"), Mime: view(t, "pcre", "/./ INFO mime\n"), Nested: view(t, "pcre", "/./ INFO nested\n")}
	r, err := c.Examine(t.Context(), letter(t, "Subject: a\nMIME-Version: 1.0\nContent-Type: message/rfc822\n\nSubject: b\nContent-Type: text/plain\n\ntext: c\n"), maillab.Spool{})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, h := range r.Hits {
		got = append(got, h.Line+" "+h.Text)
	}
	want := "Subject: a primary|MIME-Version: 1.0 mime|Content-Type: message/rfc822 mime|Subject: b nested|Content-Type: text/plain mime"
	if strings.Join(got, "|") != want {
		t.Errorf("%q", got)
	}
}

// Without a match nothing is written, and what comes back is what was given.
func TestUntouched(t *testing.T) {
	t.Parallel()
	msg := letter(t, "A: 1\n\nB\n")
	c := &Checks{Header: view(t, "regexp", "/zzz/ IGNORE\n"), Body: view(t, "regexp", "/zzz/ IGNORE\n")}
	r, err := c.Examine(t.Context(), msg, broken{})
	if err != nil || r.Draft != nil || &r.Body.(mail.Bytes)[0] != &msg.Body.(mail.Bytes)[0] {
		t.Errorf("%v %+v", err, r)
	}
}

// broken is a spool without room, and drafts that fail at once.
type broken struct{}

func (broken) Create() (mail.Draft, error) { return nil, errors.New("no space left") }

func TestSpoolFails(t *testing.T) {
	t.Parallel()
	c := &Checks{Body: view(t, "regexp", "/B/ IGNORE\n")}
	if _, err := c.Examine(t.Context(), letter(t, "A: 1\n\nB\n"), broken{}); err == nil {
		t.Error("no error")
	}
}

// The operator writes the text, but strangers choose how often it is put in.
func TestGrowthIsBounded(t *testing.T) {
	t.Parallel()
	pad := strings.Repeat("x", 1000)
	for name, r := range map[string]Result{
		"body":   run(t, "", "/^a$/ PREPEND "+pad+"\n", "A: 1\n\n"+strings.Repeat("a\n", 20000)),
		"header": run(t, "/^A:/ REPLACE A: "+pad+"\n", "", strings.Repeat("A: 1\n", 20000)+"\ntext\n"),
		"part":   run(t, "/^A:/ PREPEND A: "+pad+"\n", "", "Content-Type: message/rfc822\n\n"+strings.Repeat("A: 1\n", 20000)),
	} {
		if got := r.Verdict.Reply; got.String() != reply.ContentGrown.String() || r.Draft != nil {
			t.Errorf("%s: %v", name, got)
		}
		if len(r.Hits) > maxHits {
			t.Errorf("%s: %d hits", name, len(r.Hits))
		}
	}
}

// What a pattern takes out of a stranger's field cannot begin another field, and a refusal stays one line.
func TestCaptured(t *testing.T) {
	t.Parallel()
	r := run(t, "/^Subject:(.*)$/ REPLACE Subject: [list]$1\n", "", "Subject: a\n b\x01\x00c\n\ntext\n")
	if got := text(t, r); got != "Subject: [list] a\n b  c\n\ntext\n" {
		t.Errorf("%q", got)
	}
	r = run(t, "/^Subject:(.*)$/ REJECT no $1\n", "", "Subject: a\n b\x01\xff\n\ntext\n")
	if got := r.Verdict.Reply.String(); got != "550 5.7.1 no  a  b??" {
		t.Errorf("%q", got)
	}
}

func FuzzExamine(f *testing.F) {
	for _, p := range probes() {
		f.Add(p.message, true)
	}
	f.Add("Content-Type: multipart/digest; boundary=\"a\\\nb\"\n\n--ab\n\nSubject: x\n\n--ab--\n", false)
	headers, bodies := view(f, "pcre", "/^X-(.*)/s REPLACE Y: $1\n/^Subject/ PREPEND Z: 1\n/^Content-Disposition/ IGNORE\n"), view(f, "pcre", "/^one/ IGNORE\n/(tw.)$/ REPLACE $1$1\n/^three/ PREPEND 3\n")
	never := view(f, "pcre", "/^\\z./ IGNORE\n")
	f.Fuzz(func(t *testing.T, message string, change bool) {
		head, body, _ := strings.Cut(message, "\n\n")
		h, err := mail.ParseHeader(strings.ReplaceAll(head, "\n", "\r\n"))
		if err != nil || len(head) > 1<<16 {
			return
		}
		msg := &mail.Message{Header: h, Body: mail.Bytes(strings.ReplaceAll(body, "\n", "\r\n"))}
		c := &Checks{Header: never, Body: never, BodySize: 500}
		if change {
			c = &Checks{Header: headers, Body: bodies, BodySize: 500}
		}
		r, err := c.Examine(t.Context(), msg, maillab.Spool{})
		if err != nil {
			t.Fatal(err)
		}
		got := text(t, r)
		if whole := text(t, Result{Header: msg.Header, Body: msg.Body}); !change && (got != whole || r.Draft != nil) {
			t.Fatalf("changed:\n%q\n%q", whole, got)
		}
		if _, err := mail.ParseHeader(r.Header.String()); err != nil {
			t.Fatalf("%v: %q", err, r.Header.String())
		}
	})
}

// The text of a body stands in nothing that is logged.
func TestBodyIsNotLogged(t *testing.T) {
	t.Parallel()
	c := &Checks{Body: view(t, "regexp", "/secret/ REJECT not here\n")}
	r, err := c.Examine(t.Context(), letter(t, "A: 1\n\nthe secret word\n"), maillab.Spool{})
	if err != nil || len(r.Hits) != 1 {
		t.Fatalf("%v %+v", err, r)
	}
	for _, said := range []string{r.Hits[0].String(), r.Verdict.Err().Error()} {
		if strings.Contains(said, "word") || !strings.Contains(said, "body by ") {
			t.Errorf("%q", said)
		}
	}
}
