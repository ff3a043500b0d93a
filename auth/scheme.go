// SPDX-License-Identifier: MIT

package auth

import (
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
)

// check reports whether a password is the right one, in a time that does not depend on how wrong it is.
type check func(password string) bool

// errScheme is a password in a scheme that is not checked here.
var errScheme = errors.New("unsupported password scheme")

// errHash is a hash that its scheme cannot have made. It says nothing more: what it is about is a secret.
var errHash = errors.New("malformed password hash")

// defaultScheme is Dovecot's for a passwd-file.
const defaultScheme = "CRYPT"

// parseStored makes the check for a password as the file has it.
func parseStored(stored string) (check, error) {
	name, hash, err := cutScheme(stored)
	if err != nil {
		return nil, err
	}
	name, encoding, _ := strings.Cut(name, ".")
	switch name {
	case "PLAIN", "CLEAR", "CLEARTEXT":
		return parsePlain(hash, encoding)
	case "SHA", "SHA1":
		return parseDigest(hash, encoding, sha1.New, false)
	case "SHA256":
		return parseDigest(hash, encoding, sha256.New, false)
	case "SHA512":
		return parseDigest(hash, encoding, sha512.New, false)
	case "SSHA":
		return parseDigest(hash, encoding, sha1.New, true)
	case "SSHA256":
		return parseDigest(hash, encoding, sha256.New, true)
	case "SSHA512":
		return parseDigest(hash, encoding, sha512.New, true)
	}
	if encoding != "" {
		raw, err := decode(hash, encoding, 0)
		if err != nil {
			return nil, err
		}
		hash = string(raw)
	}
	return parseModular(name, hash)
}

// parseModular takes the schemes whose hashes say $what$ they are. A hash must be of the kind that its scheme names.
func parseModular(name, hash string) (check, error) {
	switch name {
	case "BLF-CRYPT":
		return parseBcrypt(hash)
	case "SHA256-CRYPT":
		return parseSHACrypt(hash, "$5$")
	case "SHA512-CRYPT":
		return parseSHACrypt(hash, "$6$")
	case "MD5-CRYPT":
		return parseSHACrypt(hash, "$1$")
	case "ARGON2I":
		return parseArgon(hash, "$argon2i$")
	case "ARGON2ID":
		return parseArgon(hash, "$argon2id$")
	case "CRYPT":
		return parseCrypt(hash)
	}
	return nil, fmt.Errorf("%w {%s}", errScheme, name)
}

// cutScheme splits "{SCHEME.ENCODING}hash". Only letters, digits and a few signs are a scheme, so that no part of a password
// is ever quoted as one.
func cutScheme(stored string) (name, hash string, err error) {
	rest, found := strings.CutPrefix(stored, "{")
	if !found {
		return defaultScheme, stored, nil
	}
	name, hash, found = strings.Cut(rest, "}")
	name = strings.ToUpper(name)
	if !found || name == "" || len(name) > 32 || strings.Trim(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.") != "" {
		return "", "", fmt.Errorf("%w: no {SCHEME} at its beginning", errHash)
	}
	return name, hash, nil
}

// decode undoes an encoding; plain is the length that a hash without a named encoding must have in hexadecimal, 0 if it has
// no fixed length. Otherwise the usual encoding is base64.
func decode(s, encoding string, plain int) ([]byte, error) {
	var raw []byte
	var err error
	switch {
	case encoding == "HEX", encoding == "" && plain > 0 && len(s) == 2*plain:
		raw, err = hex.DecodeString(s)
	case encoding == "", encoding == "B64", encoding == "BASE64":
		raw, err = base64.RawStdEncoding.DecodeString(strings.TrimRight(s, "="))
	default:
		return nil, fmt.Errorf("%w encoding .%s", errScheme, encoding)
	}
	if err != nil {
		return nil, errHash
	}
	return raw, nil
}
