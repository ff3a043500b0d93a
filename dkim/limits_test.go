// SPDX-License-Identifier: MIT

package dkim

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"strings"
	"testing"
	"testing/synctest"

	msgauth "github.com/emersion/go-msgauth/dkim"

	"posthouse/mail"
)

// The limits of go-msgauth that are made good here are numbered A1 to A12 in the notes on libraries. A1, A2 and A4 are in
// TestVerifyBounds; A8 to A10 are of signing; A11 and A12 are packages that take the place of the library's (dmarc, authres).

// signedBy signs text with an RSA key of that size, by the library itself, since we would not.
func signedBy(t *testing.T, bits int, more ...string) (m *mail.Message, record string) {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, bits)
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	err = msgauth.Sign(&out, strings.NewReader(text), &msgauth.SignOptions{
		Domain: "ipng.test", Selector: "s1", Signer: key, HeaderKeys: []string{"From"},
		HeaderCanonicalization: msgauth.CanonicalizationRelaxed, BodyCanonicalization: msgauth.CanonicalizationRelaxed,
	})
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	return message(t, out.String()), "v=DKIM1; k=rsa; p=" + base64.StdEncoding.EncodeToString(der) + strings.Join(more, "")
}

// TestNoGoroutineStays is A3: several signatures over a body that breaks. The bubble fails if one is left waiting.
func TestNoGoroutineStays(t *testing.T) {
	t.Parallel()
	m, record := signedBy(t, 2048)
	m.Header.Prepend(m.Header.Fields()[0], m.Header.Fields()[0])
	m.Body = broken{}
	synctest.Test(t, func(t *testing.T) {
		got := Verify(t.Context(), m, zone(map[string]string{"s1._domainkey.ipng.test": record}))
		if len(got) != 3 || got[0].Status != TempError || got[2].Status != TempError {
			t.Errorf("%+v", got)
		}
	})
}

// TestKeySize is A5 (what the library does not tell) and A6 (RFC 8301 3.2: no RSA key below 1024 bits).
func TestKeySize(t *testing.T) {
	t.Parallel()
	for bits, want := range map[int]Status{1024: Pass, 2048: Pass, 3072: Pass} {
		m, record := signedBy(t, bits)
		got := Verify(t.Context(), m, zone(map[string]string{"s1._domainkey.ipng.test": record}))
		if len(got) != 1 || got[0].Status != want || got[0].Bits != bits || got[0].Selector != "s1" || got[0].Algorithm != "rsa-sha256" {
			t.Errorf("%d bits: %+v", bits, got)
		}
		if len(got) == 1 && (len(got[0].Begins) != 8 || !strings.Contains(m.Header.Get("DKIM-Signature"), "b="+got[0].Begins)) {
			t.Errorf("begins with %q", got[0].Begins)
		}
	}
	// A key of 768 bits; Go makes none any more.
	const short = "v=DKIM1; p=MHwwDQYJKoZIhvcNAQEBBQADawAwaAJhAJUW7gEXYNcnGSy6MmUcL8kMtCvlLPDn6x8pKJAB72crtUNwm7g9SmOjhV1veSUt6Bu" +
		"A70a75IvezEechKjN+9cWBzRl+edZwUUiGHmYMutfEzLlkxpuKt+ZJPEx1aa1mQIDAQAB"
	m, _ := signedBy(t, 1024)
	if got := Verify(t.Context(), m, zone(map[string]string{"s1._domainkey.ipng.test": short})); len(got) != 1 || got[0].Status != PermError ||
		!strings.Contains(got[0].Err.Error(), "too short") {
		t.Errorf("768 bits: %+v", got)
	}
}

// TestFlags is A5: t=s and t=y are heeded; RFC 6376 3.6.1.
func TestFlags(t *testing.T) {
	t.Parallel()
	for more, want := range map[string]Result{
		"":          {Status: Pass},
		"; t=s":     {Status: Pass}, // the identity is the domain's own
		"; t=y":     {Status: Pass, Testing: true},
		"; t=s : y": {Status: Pass, Testing: true},
	} {
		m, record := signedBy(t, 2048, more)
		got := Verify(t.Context(), m, zone(map[string]string{"s1._domainkey.ipng.test": record}))
		if len(got) != 1 || got[0].Status != want.Status || got[0].Testing != want.Testing {
			t.Errorf("%q: %+v", more, got)
		}
	}
}

// TestBodyLength is A6: l= lets anyone add to a message, and never passes.
func TestBodyLength(t *testing.T) {
	t.Parallel()
	m, record := signedBy(t, 2048)
	signature := m.Header.Fields()[0]
	m.Header.Replace("DKIM-Signature", 1, mail.Field(strings.Replace(string(signature), "v=1;", "v=1; l=3;", 1)))
	got := Verify(t.Context(), m, zone(map[string]string{"s1._domainkey.ipng.test": record}))
	if len(got) != 1 || got[0].Status == Pass || !strings.Contains(got[0].Err.Error(), "length") {
		t.Errorf("%+v", got)
	}
}

// TestLookupHasContext is A7: the library's look-ups end with the message's.
func TestLookupHasContext(t *testing.T) {
	t.Parallel()
	m, _ := signedBy(t, 2048)
	ctx, cancel := context.WithCancel(t.Context())
	waits := func(ctx context.Context, _ string) ([]string, error) {
		cancel()
		<-ctx.Done()
		return nil, ctx.Err()
	}
	if got := Verify(ctx, m, waits); len(got) != 1 || got[0].Status != TempError {
		t.Errorf("%+v", got)
	}
}

func TestBegins(t *testing.T) {
	t.Parallel()
	claims := []claim{
		{map[string]string{"b": "abcdefghIJK"}}, {map[string]string{"b": "abcdefghIJL"}}, {map[string]string{"b": "zbcdefghIJK"}},
		{map[string]string{"b": "ab"}}, {map[string]string{}},
	}
	for i, want := range []string{"abcdefghIJK", "abcdefghIJL", "zbcdefgh", "ab", ""} {
		if got := begins(claims, i); got != want {
			t.Errorf("%d: %q, want %q", i, got, want)
		}
	}
}
