// SPDX-License-Identifier: MIT

package dkim

import (
	"context"
	"os"
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
	for name, want := range map[string]Status{
		"mail-dkim.eml": Pass, "rfc8463.eml": Pass, "opendkim-milter.eml": Pass,
		"opendkim.eml": PermError, // rsa-sha1, RFC 8301 3.1
	} {
		raw, err := os.ReadFile("testdata/" + name)
		if err != nil {
			t.Fatal(err)
		}
		m := message(t, string(raw))
		if got := Verify(t.Context(), m, files); len(got) != 1 || got[0].Status != want {
			t.Errorf("%s: %+v", name, got)
		}
		m.Body = mail.Bytes("forged\r\n")
		if got := Verify(t.Context(), m, files); len(got) != 1 || got[0].Status == Pass {
			t.Errorf("%s, forged: %+v", name, got)
		}
	}
}
