// SPDX-License-Identifier: MIT

package auth

import (
	"crypto/sha256"
	"crypto/subtle"
	"hash"
)

// parsePlain takes a password that is stored as it is.
func parsePlain(text, encoding string) (check, error) {
	want := []byte(text)
	if encoding != "" {
		var err error
		if want, err = decode(text, encoding, 0); err != nil {
			return nil, err
		}
	}
	if len(want) == 0 {
		return nil, errHash
	}
	sum := sha256.Sum256(want) // the same length whatever the password's
	return func(password string) bool {
		got := sha256.Sum256([]byte(password))
		return subtle.ConstantTimeCompare(got[:], sum[:]) == 1
	}, nil
}

// parseDigest takes a hash of the password, or of the password and a salt that stands behind it (RFC 3112, {SSHA}).
func parseDigest(text, encoding string, algorithm func() hash.Hash, salted bool) (check, error) {
	size := algorithm().Size()
	plain := size
	if salted {
		plain = 0
	}
	raw, err := decode(text, encoding, plain)
	switch {
	case err != nil:
		return nil, err
	case len(raw) < size, !salted && len(raw) != size, salted && len(raw) == size:
		return nil, errHash
	}
	want, salt := raw[:size], raw[size:]
	return func(password string) bool {
		h := algorithm()
		h.Write([]byte(password))
		h.Write(salt)
		return subtle.ConstantTimeCompare(h.Sum(nil), want) == 1
	}, nil
}
