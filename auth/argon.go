// SPDX-License-Identifier: MIT

package auth

import (
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"strings"

	"golang.org/x/crypto/argon2"
)

// Bounds on the work that a line may ask for: memory in KiB, passes, lanes.
const (
	maxArgonMemory = 1 << 20
	maxArgonTime   = 50
	maxArgonLanes  = 64
)

// argon is an Argon2 hash (RFC 9106) in the form $argon2id$v=19$m=65536,t=3,p=1$salt$hash.
type argon struct {
	id           bool
	memory, time uint32
	lanes        uint8
	salt, want   []byte
}

func parseArgon(hash, prefix string) (check, error) {
	rest, found := strings.CutPrefix(hash, prefix)
	parts := strings.Split(rest, "$")
	if !found || len(parts) != 4 || parts[0] != "v=19" {
		return nil, errHash
	}
	a := argon{id: prefix == "$argon2id$"}
	if err := a.parameters(parts[1]); err != nil {
		return nil, err
	}
	var err1, err2 error
	a.salt, err1 = base64.RawStdEncoding.DecodeString(parts[2])
	a.want, err2 = base64.RawStdEncoding.DecodeString(parts[3])
	if err1 != nil || err2 != nil || len(a.salt) < 8 || len(a.salt) > 64 || len(a.want) < 16 || len(a.want) > 64 {
		return nil, errHash
	}
	return a.check, nil
}

// parameters reads "m=65536,t=3,p=1".
func (a *argon) parameters(s string) error {
	const layout = "m=%d,t=%d,p=%d"
	_, err := fmt.Sscanf(s, layout, &a.memory, &a.time, &a.lanes)
	if err != nil || fmt.Sprintf(layout, a.memory, a.time, a.lanes) != s {
		return errHash
	}
	if a.memory > maxArgonMemory || a.time > maxArgonTime || a.lanes > maxArgonLanes || a.time < 1 || a.lanes < 1 {
		return fmt.Errorf("argon2 parameters must be at most m=%d,t=%d,p=%d", maxArgonMemory, maxArgonTime, maxArgonLanes)
	}
	return nil
}

func (a argon) check(password string) bool {
	return subtle.ConstantTimeCompare(a.sum(password), a.want) == 1
}

func (a argon) sum(password string) []byte {
	if a.id {
		return argon2.IDKey([]byte(password), a.salt, a.time, a.memory, a.lanes, uint32(len(a.want)))
	}
	return argon2.Key([]byte(password), a.salt, a.time, a.memory, a.lanes, uint32(len(a.want)))
}

// String is the hash as the file has it.
func (a argon) String() string {
	b64 := base64.RawStdEncoding.EncodeToString
	return fmt.Sprintf("$argon2id$v=19$m=%d,t=%d,p=%d$%s$%s", a.memory, a.time, a.lanes, b64(a.salt), b64(a.want))
}
