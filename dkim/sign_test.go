// SPDX-License-Identifier: MIT

package dkim

import (
	"context"
	"errors"
	"os"
	"path/filepath"
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

func TestSender(t *testing.T) {
	t.Parallel()
	for field, want := range map[string]string{
		"From: pim@ipng.test\r\n":                                 "pim@ipng.test",
		"From: \"Pim, P\" <pim@ipng.test>\r\n":                    "pim@ipng.test",
		"From: =?x-none?q?P=69m?= <pim@IPNG.test>\r\n":            "pim@ipng.test",
		"From: (a@b.test) pim@ipng.test, other@else.test\r\n":     "pim@ipng.test",
		"From: \"a@b.test\" <pim@ipng.test>\r\n":                  "pim@ipng.test",
		"From: Team: pim@ipng.test;\r\n":                          "pim@ipng.test",
		"From:\r\n Pim\r\n <pim@ipng.test>\r\n":                   "pim@ipng.test",
		"From: me@home.test <pim@ipng.test>\r\n":                  "pim@ipng.test",
		"From: P\xeftje <pim@ipng.test>\r\n":                      "pim@ipng.test",
		"From: \"a\\\"b\" (x \\) <c@d.test>) <pim@ipng.test>\r\n": "pim@ipng.test",
		"From: a@b <x@y.test> <pim@ipng.test>\r\n":                "",
		"From: Pim\r\n":           "",
		"From: \r\n":              "",
		"From: undisclosed:;\r\n": "",
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
