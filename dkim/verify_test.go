// SPDX-License-Identifier: MIT

package dkim

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"posthouse/mail"
)

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
		"A1 folds":  message(t, claim+"X: x"+strings.Repeat("\r\n y", 40000)+"\r\n\r\n"),
		"A1 fields": message(t, claim+strings.Repeat("X: x\r\n", 1200)+"\r\n"),
		"A1 h=":     message(t, strings.Repeat(strings.Replace(claim, "from", "from"+strings.Repeat(":a", 5000), 1), 5)+strings.Repeat("X: x\r\n", 200)+"\r\n"),
		"A2 lines":  message(t, claim+"\r\na"+strings.Repeat("\r\n", 1<<20)),
	} {
		got := Verify(t.Context(), m, zone(nil))
		if len(got) == 0 || got[0].Status != PermError || got[0].Domain != "a.test" {
			t.Errorf("%s: %+v", name, got)
		}
	}
	// A4
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
