// SPDX-License-Identifier: MIT

package dkim

import (
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"strings"
	"testing"
)

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

func FuzzParseKey(f *testing.F) {
	f.Add([]byte("-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g\n-----END PRIVATE KEY-----\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		if key, err := ParseKey(text); err == nil && key.Public() == nil {
			t.Error("a key without a public half")
		}
	})
}
