// SPDX-License-Identifier: MIT

package dkim

import (
	"strings"
	"testing"
)

// BenchmarkVerify is a message of 4 KiB under an RSA key of 2048 bits, with the key record at hand.
func BenchmarkVerify(b *testing.B) {
	key := generated(b, "rsa")
	record, err := Record(key)
	if err != nil {
		b.Fatal(err)
	}
	m := message(b, text+strings.Repeat("all work and no play makes a dull mail\r\n", 96))
	field, err := SignWith(b.Context(), m, "ipng.test", "s1", key)
	if err != nil {
		b.Fatal(err)
	}
	m.Header.Prepend(field)
	lookup := zone(map[string]string{"s1._domainkey.ipng.test": record})
	b.ReportAllocs()
	for b.Loop() {
		if got := Verify(b.Context(), m, lookup); len(got) != 1 || got[0].Status != Pass {
			b.Fatal(got)
		}
	}
}
