// SPDX-License-Identifier: MIT

package dkim

import (
	"crypto"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"strings"
)

// maxString is the most that one character-string of a TXT record holds (RFC 1035 3.3.14).
const maxString = 255

// Record is the text to publish for a private key in PEM (RFC 6376 3.6.1): "v=DKIM1; k=rsa; p=...".
func Record(key []byte) (string, error) {
	signer, err := ParseKey(key)
	if err != nil {
		return "", err
	}
	return record(signer)
}

func record(signer crypto.Signer) (string, error) {
	b64 := base64.StdEncoding.EncodeToString
	switch public := signer.Public().(type) {
	case *rsa.PublicKey:
		der, err := x509.MarshalPKIXPublicKey(public)
		return "v=DKIM1; k=rsa; p=" + b64(der), err
	case ed25519.PublicKey: // the bare key (RFC 8463 4)
		return "v=DKIM1; k=ed25519; p=" + b64(public), nil
	}
	return "", fmt.Errorf("no record for a %T", signer.Public())
}

// ZoneRecord is a record as a line of a zone file, cut into strings that a TXT record takes.
func ZoneRecord(selector, domain, record string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s._domainkey.%s. IN TXT (", selector, strings.TrimSuffix(domain, "."))
	for len(record) > 0 {
		n := min(len(record), maxString)
		fmt.Fprintf(&b, " %q", record[:n])
		record = record[n:]
	}
	return b.String() + " )"
}
