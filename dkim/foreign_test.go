// SPDX-License-Identifier: MIT

package dkim

import (
	"context"
	"os"
	"slices"
	"strings"
	"testing"

	"posthouse/mail"
)

// TestForeign verifies what other signers made (testdata/README.md).
func TestForeign(t *testing.T) {
	t.Parallel()
	files := func(_ context.Context, name string) ([]string, error) {
		text, err := os.ReadFile("testdata/" + name)
		return []string{strings.TrimSpace(string(text))}, err
	}
	for name, want := range map[string][]Status{
		"mail-dkim.eml": {Pass}, "opendkim-milter.eml": {Pass},
		"rfc6376.eml":  {Pass},
		"rfc8463.eml":  {Pass, Pass}, // ed25519-sha256, rsa-sha256
		"opendkim.eml": {PermError},  // rsa-sha1, RFC 8301 3.1
	} {
		raw, err := os.ReadFile("testdata/" + name)
		if err != nil {
			t.Fatal(err)
		}
		m := message(t, string(raw))
		if got := statuses(Verify(t.Context(), m, files)); !slices.Equal(got, want) {
			t.Errorf("%s: %v, want %v", name, got, want)
		}
		m.Body = mail.Bytes("forged\r\n")
		if got := statuses(Verify(t.Context(), m, files)); len(got) != len(want) || slices.Contains(got, Pass) {
			t.Errorf("%s, forged: %v", name, got)
		}
	}
}

func statuses(results []Result) []Status {
	var out []Status
	for _, r := range results {
		out = append(out, r.Status)
	}
	return out
}
