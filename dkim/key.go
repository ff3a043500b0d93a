// SPDX-License-Identifier: MIT

package dkim

import (
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"posthouse/config"
)

// Bounds of keys. RFC 8301 3.2 wants 1024 bits at least and 2048 where it can be had; a text record of more than 4096 bits
// finds verifiers that do not take it.
const (
	minBits    = 1024
	maxBits    = 4096
	maxKeyFile = 64 << 10
)

// readKey reads a private key from a file. The warning is about who else may read it.
func readKey(path string) (key crypto.Signer, warning string, err error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, "", err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, "", err
	}
	if !info.Mode().IsRegular() {
		return nil, "", fmt.Errorf("%s: is not a file", path)
	}
	warning = config.Exposed(path, info.Mode())
	text, err := io.ReadAll(io.LimitReader(f, maxKeyFile))
	if err != nil {
		return nil, "", err
	}
	if key, err = ParseKey(text); err != nil {
		return nil, "", fmt.Errorf("%s: %w", path, err)
	}
	return key, warning, nil
}

// isKeyText tells a key that stands in the table itself from the name of a file.
func isKeyText(s string) bool {
	if strings.HasPrefix(s, "-----BEGIN") {
		return true
	}
	_, err := base64.StdEncoding.DecodeString(s)
	return err == nil && len(s) > 60 && strings.HasPrefix(s, "M")
}

// ParseKey reads a private key: RSA as PKCS#1 or PKCS#8, Ed25519 as PKCS#8, in PEM or as the base64 of its DER. Errors do
// not quote it.
func ParseKey(text []byte) (crypto.Signer, error) {
	var der []byte
	if block, _ := pem.Decode(text); block != nil {
		if block.Type == "ENCRYPTED PRIVATE KEY" || block.Headers["DEK-Info"] != "" {
			return nil, errors.New("the key is encrypted; DKIM needs one without a passphrase")
		}
		der = block.Bytes
	} else {
		raw, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(string(text)), ""))
		if err != nil || len(raw) == 0 {
			return nil, errors.New("not a private key in PEM or base64")
		}
		der = raw
	}
	if key, err := x509.ParsePKCS1PrivateKey(der); err == nil {
		return checkKey(key)
	}
	key, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil {
		return nil, errors.New("not a private key of a known kind (RSA or Ed25519)")
	}
	return checkKey(key)
}

func checkKey(key any) (crypto.Signer, error) {
	switch key := key.(type) {
	case ed25519.PrivateKey:
		return key, nil
	case *rsa.PrivateKey:
		if bits := key.N.BitLen(); bits < minBits || bits > maxBits {
			return nil, fmt.Errorf("an RSA key of %d bits; DKIM takes %d to %d", bits, minBits, maxBits)
		}
		return key, nil
	}
	return nil, errors.New("the key is neither RSA nor Ed25519")
}

// GenerateKey makes a private key in PEM (PKCS#8): kind is "rsa", with bits of 2048 to 4096, or "ed25519".
func GenerateKey(kind string, bits int) ([]byte, error) {
	key, err := generate(kind, bits)
	if err != nil {
		return nil, err
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), nil
}

func generate(kind string, bits int) (any, error) {
	switch kind {
	case "rsa":
		if bits < 2048 || bits > maxBits {
			return nil, fmt.Errorf("an RSA key for DKIM has 2048 to %d bits (RFC 8301), not %d", maxBits, bits)
		}
		return rsa.GenerateKey(rand.Reader, bits)
	case "ed25519":
		_, key, err := ed25519.GenerateKey(rand.Reader)
		return key, err
	}
	return nil, fmt.Errorf("%q is no kind of DKIM key; there are rsa and ed25519", kind)
}
