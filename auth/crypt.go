// SPDX-License-Identifier: MIT

package auth

import (
	"crypto/subtle"
	"fmt"
	"strconv"
	"strings"

	"github.com/GehirnInc/crypt"
	"github.com/GehirnInc/crypt/md5_crypt"
	"github.com/GehirnInc/crypt/sha256_crypt"
	"github.com/GehirnInc/crypt/sha512_crypt"
	"golang.org/x/crypto/bcrypt"
)

// Bounds on the work that a line may ask for; bcrypt 14 takes about a second.
const (
	maxBcryptCost = 14
	maxSHARounds  = 5_000_000
)

// parseCrypt takes what crypt(3) makes, by its prefix.
func parseCrypt(hash string) (check, error) {
	switch {
	case strings.HasPrefix(hash, "$2"):
		return parseBcrypt(hash)
	case strings.HasPrefix(hash, "$5$"), strings.HasPrefix(hash, "$6$"), strings.HasPrefix(hash, "$1$"):
		return parseSHACrypt(hash, hash[:3])
	}
	return nil, fmt.Errorf("%w: {CRYPT} is bcrypt ($2y$), SHA-crypt ($5$, $6$) or MD5 ($1$) here", errScheme)
}

// parseBcrypt takes $2a$, $2b$ and $2y$, which are the same for any password that is not broken on purpose. $2x$ marks hashes of a
// faulty implementation.
func parseBcrypt(hash string) (check, error) {
	if strings.HasPrefix(hash, "$2x$") {
		return nil, fmt.Errorf("%w: bcrypt $2x$", errScheme)
	}
	cost, err := bcrypt.Cost([]byte(hash))
	if err != nil || len(hash) != 60 {
		return nil, errHash
	}
	if cost > maxBcryptCost {
		return nil, fmt.Errorf("bcrypt cost %d is above %d", cost, maxBcryptCost)
	}
	return func(password string) bool {
		return bcrypt.CompareHashAndPassword([]byte(hash), []byte(password)) == nil
	}, nil
}

// modular is one of the schemes that crypt(3) tells apart by their beginning: $n$[rounds=N$]salt$hash.
type modular struct {
	make       func() crypt.Crypter
	salt, hash int // most characters of the salt, all of the hash
}

func modularOf(prefix string) modular {
	switch prefix {
	case "$6$":
		return modular{sha512_crypt.New, 16, 86}
	case "$5$":
		return modular{sha256_crypt.New, 16, 43}
	}
	return modular{md5_crypt.New, 8, 22}
}

// parseSHACrypt takes Drepper's SHA-crypt and the MD5 scheme that it replaced.
func parseSHACrypt(hash, prefix string) (check, error) {
	m := modularOf(prefix)
	if err := m.wellFormed(hash, prefix); err != nil {
		return nil, err
	}
	settings := hash[:len(hash)-m.hash-1]
	return func(password string) bool {
		made, err := m.make().Generate([]byte(password), []byte(settings))
		return err == nil && subtle.ConstantTimeCompare([]byte(made), []byte(hash)) == 1
	}, nil
}

// wellFormed checks a hash without computing one, which for a file of many lines would take its time.
func (m modular) wellFormed(hash, prefix string) error {
	rest, found := strings.CutPrefix(hash, prefix)
	if value, ok := strings.CutPrefix(rest, "rounds="); ok && prefix != "$1$" {
		digits, after, _ := strings.Cut(value, "$")
		n, err := strconv.Atoi(digits)
		if err != nil || n < 1000 || n > maxSHARounds {
			return fmt.Errorf("rounds must be between 1000 and %d", maxSHARounds)
		}
		rest = after
	}
	salt, sum, _ := strings.Cut(rest, "$")
	if !found || salt == "" || len(salt) > m.salt || len(sum) != m.hash || strings.Contains(sum, "$") {
		return errHash
	}
	return nil
}
