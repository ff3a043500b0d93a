// SPDX-License-Identifier: MIT

package mail

import (
	"math/rand/v2"
	"strings"
	"time"
)

// ID names a message in Received, log, queue and 250: 20 lower-case letters and digits, in order of time, never reused.
// It has no vowels, so that chance does not spell words in front of customers.
type ID string

// An ID is two numbers in base 31: microseconds since 1970 (enough until the year 2775), and a random one.
const (
	idAlphabet = "0123456789bcdfghjklmnpqrstvwxyz"
	idTime     = 11
	idRandom   = 9
	idSpan     = 26439622160671 // 31^9
)

// NewID makes an ID from the time in microseconds and about 44 random bits, which keep IDs apart between processes, nodes
// and clocks that were set back.
func NewID(now time.Time) ID {
	var b [idTime + idRandom]byte
	putBase31(b[:idTime], uint64(now.UnixMicro()))
	putBase31(b[idTime:], rand.Uint64N(idSpan))
	return ID(b[:])
}

// Valid reports the form that NewID makes, so that an ID from a command line or a file's name can be trusted as a key.
func (id ID) Valid() bool {
	if len(id) != idTime+idRandom {
		return false
	}
	for i := 0; i < len(id); i++ {
		if strings.IndexByte(idAlphabet, id[i]) < 0 {
			return false
		}
	}
	return true
}

// putBase31 fills b with n, most significant digit first, so that the text sorts as the number does.
func putBase31(b []byte, n uint64) {
	for i := len(b) - 1; i >= 0; i-- {
		b[i] = idAlphabet[n%uint64(len(idAlphabet))]
		n /= uint64(len(idAlphabet))
	}
}
