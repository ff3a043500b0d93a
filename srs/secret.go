// SPDX-License-Identifier: MIT

package srs

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha1"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"os"

	"posthouse/config"
)

// Bounds of a secret file: rotating keys needs a handful.
const (
	maxSecretFile = 64 << 10
	maxSecrets    = 100
)

// secrets are the keys in force; the first signs.
type secrets [][]byte

// reading is what a secret file held, and to whom else it is open, if to anyone.
type reading struct {
	keys    secrets
	exposed string
}

// readSecrets reads a file with one secret a line. Empty lines count for nothing, as in PostSRSd; blanks are part of a secret.
func readSecrets(path string) (reading, error) {
	f, err := os.Open(path)
	if err != nil {
		return reading{}, fmt.Errorf("srs secret file: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return reading{}, fmt.Errorf("srs secret file: %w", err)
	}
	text, err := io.ReadAll(io.LimitReader(f, maxSecretFile+1))
	if err != nil {
		return reading{}, fmt.Errorf("srs secret file %s: %w", path, err)
	}
	found, err := parseSecrets(text)
	if err != nil {
		return reading{}, fmt.Errorf("srs secret file %s: %w", path, err)
	}
	return reading{found, config.Exposed(path, info.Mode())}, nil
}

func parseSecrets(text []byte) (secrets, error) {
	if len(text) > maxSecretFile {
		return nil, fmt.Errorf("larger than %d octets", maxSecretFile)
	}
	var found secrets
	for line := range bytes.Lines(text) {
		if line = bytes.TrimRight(line, "\r\n"); len(line) > 0 {
			found = append(found, line)
		}
	}
	switch {
	case len(found) == 0:
		return nil, errors.New("no secret in it; put one on its first line, for example from `openssl rand -hex 16`")
	case len(found) > maxSecrets:
		return nil, fmt.Errorf("more than %d secrets", maxSecrets)
	}
	return found, nil
}

// sum is the whole hash of parts under one key, in base64.
func sum(key []byte, parts []string) string {
	mac := hmac.New(sha1.New, key)
	for _, p := range parts {
		mac.Write(lower(p))
	}
	return base64.RawStdEncoding.EncodeToString(mac.Sum(nil))
}

// lower folds the letters of ASCII alone: Perl's lc and C's tolower leave the octets of UTF-8 as they are, and the hash is
// over what they see.
func lower(s string) []byte {
	b := []byte(s)
	for i, c := range b {
		if 'A' <= c && c <= 'Z' {
			b[i] = c + ('a' - 'A')
		}
	}
	return b
}

// sign is the hash of parts with the first secret, cut to n characters.
func (s secrets) sign(n int, parts ...string) string { return sum(s[0], parts)[:n] }

// verify reports whether a hash of at least least characters was made by one of the secrets. It takes the same time
// whichever fits.
func (s secrets) verify(least int, hash string, parts ...string) bool {
	if len(hash) < least || len(hash) > maxHash {
		return false
	}
	found, given := 0, lower(hash)
	for _, key := range s {
		want := sum(key, parts)[:len(hash)]
		found |= subtle.ConstantTimeCompare(lower(want), given)
	}
	return found == 1
}
