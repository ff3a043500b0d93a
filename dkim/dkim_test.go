// SPDX-License-Identifier: MIT

package dkim

import (
	"context"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"posthouse/mail"
	"posthouse/resolver"
	"posthouse/table"
)

const text = "Received: from here.test\r\nFrom: Pim <pim@ipng.test>\r\nTo: you@else.test\r\nSubject: a\r\n  folded\tone\r\n" +
	"Date: Sat, 21 Nov 2026 05:00:00 +0000\r\nMessage-ID: <1@ipng.test>\r\n\r\nHello \t world  \r\n\r\n.\r\nbye\r\n\r\n\r\n"

func message(t testing.TB, raw string) *mail.Message {
	t.Helper()
	m, err := mail.ReadMessage(strings.NewReader(raw), 1<<24)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func generated(t testing.TB, kind string) []byte {
	t.Helper()
	key, err := GenerateKey(kind, 2048)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// zone answers from a map and refuses what it was not told.
func zone(records map[string]string) Lookup {
	return func(_ context.Context, name string) ([]string, error) {
		switch r := records[name]; r {
		case "":
			return nil, resolver.ErrNotFound
		case "trouble":
			return nil, errors.New("server failure")
		default:
			return strings.Split(r, "\n"), nil
		}
	}
}

// cluster makes a folder with tables and keys: one, ed, broken, and loose, which everyone may read.
func cluster(t testing.TB, signers, keys string) (Config, string) {
	t.Helper()
	dir := t.TempDir()
	for name, content := range map[string][]byte{
		"signers": []byte(signers), "keytable": []byte(keys), "one": generated(t, "ed25519"), "ed": generated(t, "ed25519"),
		"broken": []byte("no key"),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "loose"), generated(t, "ed25519"), 0o604); err != nil {
		t.Fatal(err)
	}
	return Config{SigningTable: table.MustRef("signers"), KeyTable: table.MustRef("keytable")}, dir
}

func TestSignAndVerify(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"rsa", "ed25519"} {
		key := generated(t, kind)
		record, err := Record(key)
		if err != nil {
			t.Fatal(err)
		}
		dns := zone(map[string]string{"s1._domainkey.ipng.test": record})
		m := message(t, text)
		field, err := SignWith(t.Context(), m, "ipng.test", "s1", key)
		if err != nil {
			t.Fatal(err)
		}
		m.Header.Prepend(field)
		checkPass(t, m, dns, kind)
		for name, change := range changes() {
			bad := message(t, text)
			bad.Header.Prepend(field)
			change(bad)
			if got := Verify(t.Context(), bad, dns); len(got) != 1 || got[0].Status != Fail {
				t.Errorf("%s, %s: %+v", kind, name, got)
			}
		}
		// On the way another host may refold, add its trace and change trailing white space.
		m.Header.Replace("Subject", 1, "Subject: a folded one\r\n")
		m.Header.Prepend("Received: from there.test\r\n")
		m.Body = mail.Bytes("Hello world\r\n\r\n.\r\nbye\r\n")
		checkPass(t, m, dns, kind)
	}
}

func checkPass(t *testing.T, m *mail.Message, dns Lookup, kind string) {
	t.Helper()
	got := Verify(t.Context(), m, dns)
	if len(got) != 1 || got[0].Status != Pass || got[0].Domain != "ipng.test" || got[0].Selector != "s1" || got[0].Algorithm != kind+"-sha256" {
		t.Errorf("%s: %+v", kind, got)
	}
}

// changes are what a signature must notice.
func changes() map[string]func(*mail.Message) {
	return map[string]func(*mail.Message){
		"body":        func(m *mail.Message) { m.Body = mail.Bytes("Hello world\r\n") },
		"subject":     func(m *mail.Message) { m.Header.Replace("Subject", 1, "Subject: b\r\n") },
		"second from": func(m *mail.Message) { m.Header.Prepend("From: ceo@ipng.test\r\n") },
		"second date": func(m *mail.Message) { m.Header.Append("Date: tomorrow\r\n") },
		"added cc":    func(m *mail.Message) { m.Header.Append("Cc: all@ipng.test\r\n") },
	}
}

// TestHeaderNames wants neither Received nor Return-Path signed, and From sealed.
func TestHeaderNames(t *testing.T) {
	t.Parallel()
	m := message(t, "Return-Path: <x@y.test>\r\n"+text)
	names, _ := choose(m.Header)
	got := strings.Join(names, ":")
	if want := "From:From:To:To:Cc:Subject:Subject:Reply-To:Date:Date:Message-ID:Message-ID"; got != want {
		t.Errorf("%s; want %s", got, want)
	}
}

// TestWideHeader shows that the cost and the length of h= stay bounded whatever the client sends.
func TestWideHeader(t *testing.T) {
	t.Parallel()
	m := message(t, strings.Repeat("To: a@b.test\r\nResent-To: a@b.test,\r\n c@d.test\r\n", 20000)+
		"Subject: x"+strings.Repeat("\r\n y", 40000)+"\r\n"+text)
	field, err := SignWith(t.Context(), m, "ipng.test", "s1", generated(t, "ed25519"))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.SplitSeq(string(field), "\r\n") {
		if len(line) > 998 {
			t.Errorf("a line of %d octets", len(line))
		}
	}
}

func TestTables(t *testing.T) {
	t.Parallel()
	const keys = "ipng ipng.test:s1:one\ned ipng.test:s2:ed\nany %:any:./ed\nyear IPNG.test:2026:ed\nper %:s3:keys/%\n"
	for _, c := range []struct {
		name, signers, from string
		all                 bool
		want                string // d=/s=/i= of each
		err                 error
	}{
		{"wildcard", "*@*.ipng.test ipng\n*@ipng.test ed\n", "pim@ipng.test", false, "ipng.test/s2/", nil},
		{"subdomain", "*@*.ipng.test ipng\n*@ipng.test ed\n", "pim@a.b.ipng.test", false, "ipng.test/s1/", nil},
		{"case", "*@IPNG.test ed\n", "Pim@ipng.TEST", false, "ipng.test/s2/", nil},
		{"first only", "*@ipng.test ipng\n*@ipng.test ed\n", "pim@ipng.test", false, "ipng.test/s1/", nil},
		{"all", "*@ipng.test ipng\n*@ipng.test ed\n", "pim@ipng.test", true, "ipng.test/s1/ ipng.test/s2/", nil},
		{"numbered selector", "*@*.ipng.test year @%\n", "pim@a.ipng.test", false, "ipng.test/2026/@a.ipng.test", nil},
		{"none", "*@ipng.test ipng\n", "pim@other.test", true, "", nil},
		{"sender's domain", "*@* any\n", "pim@other.test", false, "other.test/any/", nil},
		{"identity", "*@*.ipng.test ipng @%\n", "pim@a.ipng.test", false, "ipng.test/s1/@a.ipng.test", nil},
		{"conflicting identity", "*@* ipng @%\n", "pim@other.test", false, "ipng.test/s1/", nil},
		{"no such key file", "*@* per\n", "pim@other.test", false, "", ErrKey},
		{"named by the domain", "*@* %\n", "pim@other.test", false, "", ErrKey},
	} {
		config, dir := cluster(t, c.signers, keys)
		config.MultipleSignatures = c.all
		checkTables(t, c.name, config, dir, c.from, c.want, c.err)
	}
}

func checkTables(t *testing.T, name string, c Config, dir, from, want string, wantErr error) {
	t.Helper()
	s, err := Open(c, dir)
	if err != nil {
		t.Errorf("%s: %v", name, err)
		return
	}
	fields, err := s.Sign(t.Context(), message(t, strings.Replace(text, "pim@ipng.test", from, 1)))
	var got []string
	for _, f := range fields {
		tags := tagList(f.Value())
		got = append(got, tags["d"]+"/"+tags["s"]+"/"+tags["i"])
	}
	if strings.Join(got, " ") != want || !errors.Is(err, wantErr) {
		t.Errorf("%s: %q, %v; want %q, %v", name, got, err, want, wantErr)
	}
}

// TestExactTable has OpenDKIM's order for tables that are no refile.
func TestExactTable(t *testing.T) {
	t.Parallel()
	rows := "pim@a.ipng.test k1\na.ipng.test k2\npim@.ipng.test k3\n.ipng.test k4\npim@* k5\n* k6\n"
	view, err := table.Parse("file", "signers", strings.NewReader(rows))
	if err != nil {
		t.Fatal(err)
	}
	s := signingTable{view: view}
	for address, want := range map[string]string{
		"pim@a.ipng.test": "k1 k2 k3 k4 k5 k6", "x@a.ipng.test": "k2 k4 k6", "pim@b.ipng.test": "k3 k4 k5 k6", "x@y.test": "k6", "pim@y.test": "k5 k6",
	} {
		p, err := mail.ParseAddress(address)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, u := range s.uses(p, true) {
			got = append(got, u.name)
		}
		if strings.Join(got, " ") != want || len(s.uses(p, false)) != 1 {
			t.Errorf("%s: %q; want %s", address, got, want)
		}
	}
}

func TestOpenErrors(t *testing.T) {
	t.Parallel()
	for _, c := range [][3]string{
		{"*@a.test k\n", "other a.test:s:one\n", `signers:1: no key "k" in the key table`},
		{"*@a.test k\n", "k a.test:s\n", `keytable:1: key "k": the format is`},
		{"*@a.test k\n", "k a.test:s:broken\n", "broken: not a private key"},
		{"*@a.test k\n", "k a.test:s:missing\n", "missing: no such file"},
		{"*@a.test k\n", "k a..test:s:one\n", `"a..test" is no name for the DNS`},
		{"*@a.test\n", "k a.test:s:one\n", "no value"},
	} {
		config, dir := cluster(t, c[0], c[1])
		if _, err := Open(config, dir); err == nil || !strings.Contains(err.Error(), c[2]) {
			t.Errorf("%q, %q: %v; want %q", c[0], c[1], err, c[2])
		}
	}
}

func TestReload(t *testing.T) {
	t.Parallel()
	config, dir := cluster(t, "*@ipng.test k\n", "k ipng.test:s1:loose\n")
	s, err := Open(config, dir)
	if err != nil {
		t.Fatal(err)
	}
	if w := s.Warnings(); len(w) != 1 || !strings.Contains(w[0], "mode 0604") {
		t.Errorf("warnings %q", w)
	}
	set := func(keys string) {
		if err := os.WriteFile(filepath.Join(dir, "keytable"), []byte(keys), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	selector := func() string {
		fields, err := s.Sign(t.Context(), message(t, text))
		if err != nil || len(fields) != 1 {
			t.Fatalf("%q, %v", fields, err)
		}
		return tagList(fields[0].Value())["s"]
	}
	set("k ipng.test:s2:broken\n")
	if _, err := s.Reload(); err == nil || selector() != "s1" {
		t.Errorf("broken key: %v, selector %s", err, selector())
	}
	if changed, err := s.Reload(); changed || err == nil {
		t.Errorf("broken a second time: %v, %v", changed, err)
	}
	set("k ipng.test:s3:ed\n")
	if changed, err := s.Reload(); !changed || err != nil || selector() != "s3" || len(s.Warnings()) != 0 {
		t.Errorf("%v, %v, selector %s, %q", changed, err, selector(), s.Warnings())
	}
}

// TestKeyChanges has a key replaced in its place.
func TestKeyChanges(t *testing.T) {
	t.Parallel()
	config, dir := cluster(t, "*@ipng.test k\n", "k ipng.test:s1:ed\n")
	s, err := Open(config, dir)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "ed")
	if !slices.Contains(s.Paths(), file) {
		t.Errorf("watches %q", s.Paths())
	}
	if changed, err := s.Reload(); changed || err != nil {
		t.Errorf("nothing new: %v, %v", changed, err)
	}
	key := generated(t, "ed25519")
	if err := os.WriteFile(file, key, 0o600); err != nil {
		t.Fatal(err)
	}
	if changed, err := s.Reload(); !changed || err != nil {
		t.Errorf("a new key: %v, %v", changed, err)
	}
	m := message(t, text)
	fields, err := s.Sign(t.Context(), m)
	if err != nil {
		t.Fatal(err)
	}
	m.Header.Prepend(fields...)
	record, _ := Record(key)
	if got := Verify(t.Context(), m, zone(map[string]string{"s1._domainkey.ipng.test": record})); got[0].Status != Pass {
		t.Errorf("%+v", got)
	}
}

func TestSender(t *testing.T) {
	t.Parallel()
	for field, want := range map[string]string{
		"From: pim@ipng.test\r\n":                                     "pim@ipng.test",
		"From: \"Pim, P\" <pim@ipng.test>\r\n":                        "pim@ipng.test",
		"From: =?x-none?q?P=69m?= <pim@IPNG.test>\r\n":                "pim@ipng.test",
		"From: (a@b.test) pim@ipng.test, other@else.test\r\n":         "pim@ipng.test",
		"From: \"a@b.test\" <pim@ipng.test>\r\n":                      "pim@ipng.test",
		"From: Team: pim@ipng.test;\r\n":                              "pim@ipng.test",
		"From:\r\n Pim\r\n <pim@ipng.test>\r\n":                       "pim@ipng.test",
		"From: Pim\r\n":                                               "",
		"From: \r\n":                                                  "",
		"From: undisclosed:;\r\n":                                     "",
		"From: a@b.test\r\nFrom: pim@ipng.test\r\n":                   "",
		"Sender: pim@ipng.test\r\n":                                   "",
		"From: " + strings.Repeat("(", 20<<10) + " pim@ipng.test\r\n": "",
	} {
		m := message(t, field+"\r\n")
		got, ok := sender(m.Header)
		if got.String() != want || ok != (want != "") {
			t.Errorf("%.60q: %q, %v", field, got, ok)
		}
	}
}

func TestVerifyFacts(t *testing.T) {
	t.Parallel()
	key := generated(t, "ed25519")
	record, _ := Record(key)
	signer, _ := ParseKey(key)
	fields, err := sign(t.Context(), message(t, text), []signature{
		{domain: "ipng.test", selector: "s1", identity: "@sub.ipng.test", key: signer},
	})
	if err != nil {
		t.Fatal(err)
	}
	m := message(t, text)
	m.Header.Prepend(fields...)
	for _, c := range []struct {
		name, record string
		want         Status
		testing      bool
	}{
		{"plain", record, Pass, false},
		{"testing", record + "; t=y", Pass, true},
		{"strict", record + "; t=y:s", PermError, true},
		{"no key", "", PermError, false},
		{"revoked", "v=DKIM1; p=", PermError, false},
		{"two records", record + "\n" + record, PermError, false},
		{"DNS trouble", "trouble", TempError, false},
		{"other service", record + "; s=web", PermError, false},
	} {
		got := Verify(t.Context(), m, zone(map[string]string{"s1._domainkey.ipng.test": c.record}))
		if len(got) != 1 || got[0].Status != c.want || got[0].Testing != c.testing || got[0].Identity != "@sub.ipng.test" {
			t.Errorf("%s: %+v", c.name, got)
		}
	}
}

// TestVerifyBounds wants an answer at once to what the library would spend seconds on.
func TestVerifyBounds(t *testing.T) {
	t.Parallel()
	const claim = "DKIM-Signature: v=1; a=rsa-sha256; d=a.test; s=s; h=from; bh=; b=; c=simple/simple\r\n"
	for name, m := range map[string]*mail.Message{
		"folds":  message(t, claim+"X: x"+strings.Repeat("\r\n y", 40000)+"\r\n\r\n"),
		"fields": message(t, claim+strings.Repeat("X: x\r\n", 1200)+"\r\n"),
		"h=":     message(t, strings.Repeat(strings.Replace(claim, "from", "from"+strings.Repeat(":a", 5000), 1), 5)+strings.Repeat("X: x\r\n", 200)+"\r\n"),
		"lines":  message(t, claim+"\r\na"+strings.Repeat("\r\n", 1<<20)),
	} {
		got := Verify(t.Context(), m, zone(nil))
		if len(got) == 0 || got[0].Status != PermError || got[0].Domain != "a.test" {
			t.Errorf("%s: %+v", name, got)
		}
	}
	many := message(t, strings.Repeat(claim, 20)+"\r\nx\r\n")
	if got := Verify(t.Context(), many, zone(nil)); len(got) != maxSignatures {
		t.Errorf("%d results", len(got))
	}
	if got := Verify(t.Context(), message(t, text), zone(nil)); got != nil {
		t.Errorf("unsigned: %+v", got)
	}
}

// broken is a body that fails in its middle.
type broken struct{ mail.Bytes }

func (b broken) Open() (io.ReadCloser, error) {
	return io.NopCloser(io.MultiReader(strings.NewReader("x\r\n"), failing{})), nil
}

type failing struct{}

func (failing) Read([]byte) (int, error) { return 0, errors.New("disk trouble") }

func TestBrokenBody(t *testing.T) {
	t.Parallel()
	m := message(t, text)
	field, err := SignWith(t.Context(), m, "ipng.test", "s1", generated(t, "ed25519"))
	if err != nil {
		t.Fatal(err)
	}
	m.Header.Prepend(field, field)
	m.Body = broken{}
	for _, r := range Verify(t.Context(), m, zone(nil)) {
		if r.Status != TempError || !strings.Contains(fmt.Sprint(r.Err), "disk trouble") {
			t.Errorf("%+v", r)
		}
	}
	if _, err := SignWith(t.Context(), m, "ipng.test", "s1", generated(t, "ed25519")); err == nil || errors.Is(err, ErrKey) {
		t.Errorf("signed a body that cannot be read: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := SignWith(ctx, message(t, text), "ipng.test", "s1", generated(t, "ed25519")); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

func TestKeys(t *testing.T) {
	t.Parallel()
	for _, c := range [][2]any{{"rsa", 1024}, {"rsa", 8192}, {"dsa", 2048}} {
		if _, err := GenerateKey(c[0].(string), c[1].(int)); err == nil {
			t.Errorf("made %v", c)
		}
	}
	key := generated(t, "rsa")
	block, _ := pem.Decode(key)
	bare := base64.StdEncoding.EncodeToString(block.Bytes)
	if _, err := ParseKey([]byte(bare)); err != nil || !isKeyText(bare) || isKeyText("keys/DKIM2022-ipng.nl-private") {
		t.Errorf("base64 in the table: %v", err)
	}
	signer, _ := ParseKey(key)
	if _, err := x509.MarshalPKIXPublicKey(signer.Public()); err != nil {
		t.Error(err)
	}
	record, _ := Record(key)
	line := ZoneRecord("s1", "ipng.test.", record)
	if !strings.HasPrefix(line, `s1._domainkey.ipng.test. IN TXT ( "v=DKIM1; k=rsa; p=`) || strings.Count(line, `"`) != 4 {
		t.Error(line)
	}
}

func FuzzVerify(f *testing.F) {
	f.Add("DKIM-Signature: v=1; a=rsa-sha256; d=a.test; s=s; h=from; bh=; b=\r\nFrom: a@a.test\r\n\r\nx\r\n")
	f.Add("DKIM-Signature: v=1; a=ed25519-sha256; c=simple; d=a.test; i=@b.a.test; s=s; h=from:to; bh=eA==; b=eA==; l=1; x=1\r\n\r\n")
	record := "v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="
	f.Fuzz(func(t *testing.T, raw string) {
		m, err := mail.ReadMessage(strings.NewReader(raw), 1<<20)
		if err != nil {
			return
		}
		for _, r := range Verify(t.Context(), m, func(context.Context, string) ([]string, error) { return []string{record}, nil }) {
			if r.Status == Pass {
				t.Errorf("passed: %+v", r)
			}
		}
	})
}

func FuzzKeyTable(f *testing.F) {
	f.Add("k a.test:s:-----BEGIN PRIVATE KEY-----\n")
	f.Add("k %:%:keys/%/private\nl a.test:2026:MIIE\n")
	f.Fuzz(func(t *testing.T, text string) {
		view, err := table.Parse("file", "keytable", strings.NewReader(text))
		if err != nil || strings.Contains(text, "/") {
			return // files are left to the tables
		}
		keys, err := readKeyTable(view, t.TempDir())
		if err != nil {
			return
		}
		for name, line := range keys.lines {
			if s, err := keys.find(use{name: name, identity: "@x.test"}, "x.test"); err == nil && (s.key == nil || line.domain == "") {
				t.Errorf("%s: %+v", name, s)
			}
		}
	})
}

func FuzzParseKey(f *testing.F) {
	f.Add([]byte("-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g\n-----END PRIVATE KEY-----\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		if key, err := ParseKey(text); err == nil && key.Public() == nil {
			t.Error("a key without a public half")
		}
	})
}

func FuzzSender(f *testing.F) {
	f.Add("Pim <pim@ipng.test>")
	f.Fuzz(func(t *testing.T, value string) {
		var h mail.Header
		h.Append(mail.NewField("From", value))
		if p, ok := sender(h); ok && p.Domain() == "" {
			t.Errorf("%q: %v", value, p)
		}
	})
}

func BenchmarkSign(b *testing.B) {
	m := message(b, text)
	m.Body = mail.Bytes(strings.Repeat("0123456789abcde\r\n", 240))
	signer, _ := ParseKey(generated(b, "rsa"))
	for b.Loop() {
		if _, err := sign(b.Context(), m, []signature{{domain: "a.test", selector: "s", key: signer}}); err != nil {
			b.Fatal(err)
		}
	}
}
