// SPDX-License-Identifier: MIT

package auth

import (
	"crypto/rand"
	"fmt"
	"strings"

	"golang.org/x/crypto/bcrypt"
)

// bcryptCost is what Hash asks for: about 60 ms.
const bcryptCost = 10

// Schemes are those that Hash makes, the one to prefer first.
func Schemes() []string { return []string{"ARGON2ID", "BLF-CRYPT"} }

// Hash makes the {SCHEME}hash of a password for a passwd-file.
func Hash(scheme, password string) (string, error) {
	if !plausible(password, maxPassword) {
		return "", fmt.Errorf("a password has 1 to %d octets and no control characters", maxPassword)
	}
	switch strings.ToUpper(scheme) {
	case "ARGON2ID":
		return hashArgon(password), nil
	case "BLF-CRYPT":
		return hashBcrypt(password)
	}
	return "", fmt.Errorf("%w %q; there are %s", errScheme, scheme, strings.Join(Schemes(), " and "))
}

// hashArgon uses Dovecot's parameters, so that both take the same time.
func hashArgon(password string) string {
	a := argon{id: true, memory: 64 << 10, time: 3, lanes: 1, salt: make([]byte, 16), want: make([]byte, 32)}
	_, _ = rand.Read(a.salt) // never fails
	a.want = a.sum(password)
	return "{ARGON2ID}" + a.String()
}

func hashBcrypt(password string) (string, error) {
	made, err := bcrypt.GenerateFromPassword([]byte(password), bcryptCost)
	if err != nil {
		return "", fmt.Errorf("bcrypt: %w", err) // of the password it tells the length, if above 72
	}
	// $2a$ and $2y$ name the same function; Dovecot writes the latter.
	return "{BLF-CRYPT}$2y$" + strings.TrimPrefix(string(made), "$2a$"), nil
}

// Verify checks a password against a {SCHEME}hash, or against a whole line of a passwd-file. The error is about the line.
func Verify(line, password string) (bool, error) {
	if !strings.HasPrefix(line, "{") && !strings.HasPrefix(line, "$") {
		if fields := strings.SplitN(line, ":", 3); len(fields) > 1 {
			line = fields[1]
		}
	}
	check, err := parseStored(line)
	if err != nil {
		return false, err
	}
	return check(password), nil
}
