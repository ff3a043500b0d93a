// SPDX-License-Identifier: MIT

package dsn

import (
	"errors"
	"flag"
	"io"
	"mime"
	"mime/multipart"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"posthouse/mail"
	"posthouse/reply"
)

var update = flag.Bool("update", false, "write the golden files anew")

func path(t *testing.T, s string) mail.Path {
	t.Helper()
	p, err := mail.ParseAddress(s)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func message(t *testing.T, raw string) *mail.Message {
	t.Helper()
	msg, err := mail.ReadMessage(strings.NewReader(raw), 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	return msg
}

const (
	letter = "From: ann@from.test\nTo: joe@there.test\nSubject: Lunch\nMessage-ID: <1@from.test>\n\nShall we?\n"
	remote = "mx.there.test[192.0.2.1]:25"
)

var arrived = time.Date(2026, 11, 16, 8, 30, 0, 0, time.UTC)

// input is a failure of one recipient; the tests change it.
func input(t *testing.T) Input {
	t.Helper()
	joe := path(t, "joe@there.test")
	return Input{
		Kind:     Failure,
		Envelope: &mail.Envelope{ID: "0123456789bcdfghjklm", From: path(t, "ann@from.test"), Arrived: arrived},
		Message:  message(t, letter),
		Recipients: []Recipient{{mail.Recipient{To: joe, Given: joe},
			mail.Result{Status: mail.Failed, Reply: reply.UnknownUser.With("No such user here").Because(errors.New("a secret")), Remote: remote}}},
		Hostname: "mx.test",
		Now:      arrived.Add(5 * 24 * time.Hour),
		ID:       "vwxyz0123456789bcdfg",
	}
}

func with(t *testing.T, change func(*Input)) Input {
	t.Helper()
	in := input(t)
	change(&in)
	return in
}

func TestReportGolden(t *testing.T) {
	t.Parallel()
	cases := map[string]func(*Input){
		"failure": func(*Input) {},
		"failure-headers": func(in *Input) {
			in.Envelope.Ret, in.Envelope.EnvID = "HDRS", "QQ 314+\r\n159"
			in.Recipients[0].ORcpt = "x400;/S=joe\r\n/"
		},
		"failure-alias": func(in *Input) {
			in.Recipients[0].Given = path(t, `"joe  s"@here.test`)
			in.Recipients[0].ORcpt = "rfc822;joe+s@old.test"
			in.Recipients = append(in.Recipients, Recipient{mail.Recipient{To: path(t, "sue@there.test")},
				mail.Result{Status: mail.Failed, Reply: reply.NullMX}})
		},
		"expired": func(in *Input) {
			in.Recipients[0].Result = mail.Result{Status: mail.Deferred, Remote: remote,
				Reply: reply.Reply{Code: 451, Enhanced: "4.7.1", Text: "Greylisted, " + strings.Repeat("please come again ", 8) + "\nsecond line \x1b[31m ü"}}
		},
		"delay": func(in *Input) {
			in.Kind, in.Now, in.RetryUntil = Delay, arrived.Add(4*time.Hour), arrived.Add(5*24*time.Hour)
			in.Recipients[0].Result = mail.Result{Status: mail.Deferred, Reply: reply.NoContact}
		},
		"success": func(in *Input) {
			in.Kind = Success
			in.Recipients[0].Notify = mail.NotifySuccess
			in.Recipients[0].Result = mail.Result{Status: mail.Delivered, Reply: reply.OK, Remote: "unix:/run/lmtp"}
			in.Recipients = append(in.Recipients, Recipient{mail.Recipient{To: path(t, "sue@else.test"), Notify: mail.NotifySuccess},
				mail.Result{Status: mail.Relayed, Reply: reply.Reply{Code: 250, Text: "taken"}, Remote: "mx.else.test[2001:db8::1]:25"}})
		},
		"utf8": func(in *Input) {
			in.Envelope.UTF8 = true
			in.Recipients[0].To, in.Recipients[0].Given = path(t, "jürg@there.test"), path(t, "jürg@there.test")
			in.Recipients[0].ORcpt = "utf-8;jürg@thère.test"
			in.Message = message(t, strings.Replace(letter, "Lunch", "Zmittag für öis", 1))
		},
		"utf8-sender": func(in *Input) {
			in.Envelope.UTF8, in.Envelope.From, in.Envelope.Ret = true, path(t, "änn@from.test"), "HDRS"
		},
		"utf8-alias": func(in *Input) { // the sender knows ASCII only
			in.Recipients[0].To, in.Recipients[0].Given = path(t, "jürg+a@there.test"), path(t, "juerg@here.test")
			in.Envelope.Ret = "HDRS"
			in.Message = message(t, strings.Replace(letter, "Lunch", "Zmittag für öis", 1))
		},
	}
	for name, change := range cases {
		env, msg, err := Report(with(t, change))
		if err != nil {
			t.Fatal(err)
		}
		got := text(t, msg)
		checkForm(t, name, env, msg, got)
		file := filepath.Join("testdata", name+".eml")
		if *update {
			if err := os.WriteFile(file, []byte(got), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(file)
		if err != nil || got != string(want) {
			t.Errorf("%s differs from %s (go test ./dsn -update writes it anew), %v:\n%s", name, file, err, got)
		}
	}
}

func text(t *testing.T, msg *mail.Message) string {
	t.Helper()
	r, err := msg.Open()
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// checkForm holds what is true of every report.
func checkForm(t *testing.T, name string, env *mail.Envelope, msg *mail.Message, text string) {
	t.Helper()
	if !env.From.IsNull() || len(env.Recipients) != 1 || env.Size != int64(len(text)) {
		t.Errorf("%s: envelope %+v", name, env)
	}
	if env.EightBit == isASCII(text[msg.Header.Size():]) || !env.UTF8 && msg.Header.EightBit() {
		t.Errorf("%s: says 8-bit %v, UTF-8 %v", name, env.EightBit, env.UTF8)
	}
	if strings.Contains(text, "secret") || strings.Count(text, "\n") != strings.Count(text, "\r\n") {
		t.Errorf("%s: cause or bare line feed in\n%s", name, text)
	}
	for line := range strings.Lines(text) {
		if len(line) > 1000 {
			t.Errorf("%s: line of %d octets", name, len(line))
		}
	}
	if parts := parts(t, msg); len(parts) != 3 {
		t.Errorf("%s: parts %v", name, parts)
	}
}

// parts are the types of the parts, as another implementation reads them.
func parts(t *testing.T, msg *mail.Message) []string {
	t.Helper()
	kind, params, err := mime.ParseMediaType(msg.Header.Get("Content-Type"))
	if err != nil || kind != "multipart/report" {
		t.Fatal(kind, err)
	}
	body, err := msg.Body.Open()
	if err != nil {
		t.Fatal(err)
	}
	var kinds []string
	for r := multipart.NewReader(body, params["boundary"]); ; {
		p, err := r.NextPart()
		if errors.Is(err, io.EOF) {
			return kinds
		}
		if err != nil {
			t.Fatal(err)
		}
		kinds = append(kinds, p.Header.Get("Content-Type"))
	}
}

func TestReportOriginal(t *testing.T) {
	t.Parallel()
	big := letter + strings.Repeat("a long line of text\n", 4000)
	for _, c := range []struct {
		name   string
		change func(*Input)
		want   string
	}{
		{"small", func(*Input) {}, "message/rfc822"},
		{"asked for whole", func(in *Input) { in.Envelope.Ret = "FULL" }, "message/rfc822"},
		{"asked for header", func(in *Input) { in.Envelope.Ret = "HDRS" }, "text/rfc822-headers"},
		{"too large", func(in *Input) { in.Envelope.Ret, in.Message = "FULL", message(t, big) }, "text/rfc822-headers"},
		{"delay", func(in *Input) { in.Kind = Delay }, "text/rfc822-headers"},
		{"success", func(in *Input) { in.Kind, in.Recipients[0].Notify = Success, mail.NotifySuccess }, "text/rfc822-headers"},
		{"needed TLS", func(in *Input) { in.Envelope.RequireTLS = true }, "text/rfc822-headers"},
		{"cannot be read", func(in *Input) { in.Message.Body = gone{} }, "text/rfc822-headers"},
		{"longer than it says", func(in *Input) { in.Message.Body = liar{mail.Bytes(big)} }, "text/rfc822-headers"},
		{"8-bit body", func(in *Input) { in.Message = message(t, letter+"\xe9\n") }, "message/rfc822"},
	} {
		env, msg, err := Report(with(t, c.change))
		if err != nil {
			t.Fatal(err)
		}
		if got := parts(t, msg); got[2] != c.want {
			t.Errorf("%s: %v", c.name, got)
		}
		if env.EightBit != (c.name == "8-bit body") || msg.Size() > 2*maxReturn {
			t.Errorf("%s: 8-bit %v, size %d", c.name, env.EightBit, msg.Size())
		}
	}
}

type gone struct{}

func (gone) Open() (io.ReadCloser, error) { return nil, os.ErrNotExist }
func (gone) Size() int64                  { return 1 }

type liar struct{ mail.Bytes }

func (liar) Size() int64 { return 1 }

func TestReportLargeHeader(t *testing.T) {
	t.Parallel()
	in := input(t)
	in.Message.Header.Append(mail.NewField("X-Large", strings.Repeat("x", maxReturn)), mail.NewField("X-Last", "here"))
	_, msg, err := Report(in)
	if got := text(t, msg); err != nil || strings.Contains(got, "X-Large") || !strings.Contains(got, "X-Last: here") {
		t.Error("the field that does not fit is left out alone", err)
	}
}

func TestReportNone(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*Input){
		"from <>":     func(in *Input) { in.Envelope.From = mail.Path{} },
		"nobody":      func(in *Input) { in.Recipients = nil },
		"never":       func(in *Input) { in.Recipients[0].Notify = mail.NotifyNever },
		"not success": func(in *Input) { in.Kind = Success },
		"next hop reports": func(in *Input) {
			in.Kind, in.Recipients[0].Notify, in.Recipients[0].Result = Success, mail.NotifySuccess, mail.Result{Status: mail.Relayed, DSN: true}
		},
	} {
		if env, msg, err := Report(with(t, change)); env != nil || msg != nil || err != nil {
			t.Errorf("%s: %v %v %v", name, env, msg, err)
		}
	}
	for name, change := range map[string]func(*Input){
		"no kind": func(in *Input) { in.Kind = 0 },
		"no host": func(in *Input) { in.Hostname = "" },
	} {
		if _, _, err := Report(with(t, change)); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestReportMakesID(t *testing.T) {
	t.Parallel()
	env, msg, err := Report(with(t, func(in *Input) { in.ID = "" }))
	if err != nil || !env.ID.Valid() || msg.Header.Get("Message-ID") != "<"+string(env.ID)+"@mx.test>" {
		t.Error(env, err)
	}
}

func TestAsks(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		notify                  mail.Notify
		failure, delay, success bool
	}{
		{0, true, true, false},
		{mail.NotifyNever, false, false, false},
		{mail.NotifyFailure, true, false, false},
		{mail.NotifyDelay, false, true, false},
		{mail.NotifySuccess, false, false, true},
		{mail.NotifySuccess | mail.NotifyFailure | mail.NotifyDelay, true, true, true},
		{mail.NotifyNever | mail.NotifyFailure, false, false, false},
	} {
		if Asks(Failure, c.notify) != c.failure || Asks(Delay, c.notify) != c.delay || Asks(Success, c.notify) != c.success || Asks(0, c.notify) {
			t.Errorf("NOTIFY %d", c.notify)
		}
	}
}

func TestOfResult(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		r    mail.Result
		kind Kind
		ok   bool
	}{
		{mail.Result{}, 0, false},
		{mail.Result{Status: mail.Deferred}, 0, false},
		{mail.Result{Status: mail.Failed}, Failure, true},
		{mail.Result{Status: mail.Delivered}, Success, true},
		{mail.Result{Status: mail.Relayed}, Success, true},
		{mail.Result{Status: mail.Relayed, DSN: true}, Success, false},
	} {
		if kind, ok := OfResult(c.r); kind != c.kind && ok || ok != c.ok {
			t.Errorf("%+v: %v %v", c.r, kind, ok)
		}
	}
}

func TestStatus(t *testing.T) {
	t.Parallel()
	for enhanced, want := range map[string]string{
		"5.1.1": "5.1.1", "": "5.0.0", "4.2.2": "5.2.2", "x": "5.0.0", "5.1.1\r\nA: b": "5.0.0", "5.1234.1": "5.0.0", "5.1": "5.0.0", "5..1": "5.0.0",
	} {
		r := report{Input: Input{Kind: Failure}}
		if got := r.status(mail.Result{Status: mail.Failed, Reply: reply.Reply{Code: 550, Enhanced: enhanced}}); got != want {
			t.Errorf("%q: %s, want %s", enhanced, got, want)
		}
	}
}

// FuzzReport feeds what strangers say: the reply of a remote host, ORCPT, ENVID, and the message.
func FuzzReport(f *testing.F) {
	f.Add("No such user", "rfc822;a@b", "id", "A: 1\r\n\r\nx", true)
	f.Add("a\nb\r\n\r\n--", "utf-8;ü\xff", "\r\nX: y", "Message-ID: <a>\n b\n", false)
	f.Fuzz(func(t *testing.T, said, orcpt, envid, raw string, utf8 bool) {
		in := input(t)
		msg, err := mail.ReadMessage(strings.NewReader(raw), 1<<16)
		if err != nil {
			return
		}
		in.Message, in.Envelope.EnvID, in.Envelope.UTF8, in.Envelope.Ret = msg, envid, utf8, "HDRS"
		in.Recipients[0].ORcpt, in.Recipients[0].Result.Reply.Text = orcpt, said
		env, msg, err := Report(in)
		if err != nil {
			t.Fatal(err)
		}
		if got := parts(t, msg); len(got) != 3 || !env.UTF8 && env.EightBit {
			t.Fatalf("%v in\n%s", got, text(t, msg))
		}
		r := report{Input: in, utf8: env.UTF8}
		status := string(r.statusPart().content)
		if strings.Count(status, "\r\n\r\n") != 1 || strings.ContainsAny(strings.ReplaceAll(status, "\r\n", ""), "\r\n") {
			t.Fatalf("status part:\n%s", status)
		}
	})
}

// TestRelayedToNobodyKnown: a hop without a name, as one that transport_maps give by its address, is not named twice.
func TestRelayedToNobodyKnown(t *testing.T) {
	t.Parallel()
	for remote, want := range map[string]string{
		"mx.there.test[192.0.2.1]:25": "server, mx.there.test, which",
		"[192.0.2.1]:25":              "server, which",
	} {
		_, msg, err := Report(with(t, func(in *Input) {
			in.Kind = Success
			in.Recipients = in.Recipients[:1]
			in.Recipients[0].Notify = mail.NotifySuccess
			in.Recipients[0].Result = mail.Result{Status: mail.Relayed, Reply: reply.OK, Remote: remote}
		}))
		if err != nil || msg == nil {
			t.Fatal(msg, err)
		}
		if got := strings.Join(strings.Fields(text(t, msg)), " "); !strings.Contains(got, "handed to the next mail "+want) {
			t.Errorf("%s: no %q in\n%s", remote, want, got)
		}
	}
}
