// SPDX-License-Identifier: MIT

package content

import (
	"strings"
	"testing"

	"posthouse/internal/maillab"
	"posthouse/mail"
)

// BenchmarkExamine looks for boundaries in an attachment of 10 MiB, whose lines no table is asked about.
func BenchmarkExamine(b *testing.B) {
	msg := letter(b, "Content-Type: multipart/mixed; boundary=b\n\n--b\n\n")
	msg.Body = append(msg.Body.(mail.Bytes), strings.Repeat(strings.Repeat("x", 76)+"\r\n", 10<<20/78)...)
	c := &Checks{Header: view(b, "regexp", probeHeaderChecks)}
	b.SetBytes(msg.Body.Size())
	b.ReportAllocs()
	for b.Loop() {
		if _, err := c.Examine(b.Context(), msg, maillab.Spool{}); err != nil {
			b.Fatal(err)
		}
	}
}
