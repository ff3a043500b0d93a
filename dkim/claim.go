// SPDX-License-Identifier: MIT

package dkim

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"

	"posthouse/mail"
)

// Bounds of what is verified. SEMANTICS of a larger message: permerror, it is delivered all the same.
const (
	maxSignatures = 5
	maxHeader     = 64 << 10 // octets
	maxFields     = 1000
	maxWork       = 500_000  // names in h= times fields
	maxEmptyRun   = 64 << 10 // octets of empty lines, over which "simple" bodies take quadratic time
	maxBegins     = 64
)

// claim is a DKIM-Signature field as it reads, before anything is verified.
type claim struct{ tags map[string]string }

// readClaims reads the first signatures.
func readClaims(h mail.Header) []claim {
	var out []claim
	for _, f := range h.Fields() {
		if f.Is("DKIM-Signature") && len(out) < maxSignatures {
			out = append(out, claim{tagList(f.Value())})
		}
	}
	return out
}

// begins is so much of the b= of claim i as no other has (RFC 6008 4).
func begins(claims []claim, i int) string {
	own := claims[i].tags["b"]
	n := 8
	for j, c := range claims {
		for other := c.tags["b"]; j != i && n < len(own) && strings.HasPrefix(other, own[:n]); {
			n++
		}
	}
	return own[:min(n, len(own), maxBegins)]
}

// bits is the size of the key, which the length of a good signature tells: an RSA signature is as long as the modulus.
func (c claim) bits() int {
	if !strings.HasPrefix(c.tags["a"], "rsa-") {
		return 256 // Ed25519 has one size
	}
	b := c.tags["b"]
	return base64.RawStdEncoding.DecodedLen(len(strings.TrimRight(b, "="))) * 8
}

// tagList reads "a=b; c=d" (RFC 6376 3.2); white space does not count in the tags that are looked at here.
func tagList(s string) map[string]string {
	tags := make(map[string]string)
	for part := range strings.SplitSeq(s, ";") {
		name, value, found := strings.Cut(part, "=")
		if found && len(tags) < 100 {
			tags[strings.TrimSpace(name)] = strings.Join(strings.Fields(value), "")
		}
	}
	return tags
}

// tooMuch reports what would cost more to verify than a stranger may ask for.
func tooMuch(msg *mail.Message, claims []claim) error {
	fields := len(msg.Header.Fields())
	names := 0
	for _, c := range claims {
		names += strings.Count(c.tags["h"], ":") + 1
	}
	switch {
	case msg.Header.Size() > maxHeader:
		return fmt.Errorf("header above %d octets", maxHeader)
	case fields > maxFields:
		return fmt.Errorf("more than %d header fields", maxFields)
	case names*fields > maxWork:
		return errors.New("too many names in h=")
	}
	for _, c := range claims {
		if _, body, _ := strings.Cut(c.tags["c"], "/"); body != "relaxed" {
			return emptyRun(msg.Body)
		}
	}
	return nil
}

// emptyRun reads a body and complains of a long run of empty lines. What cannot be read is left to the verification to say.
func emptyRun(body mail.Body) error {
	r, err := body.Open()
	if err != nil {
		return nil
	}
	defer r.Close()
	var run runCounter
	_, err = io.Copy(&run, struct{ io.Reader }{r})
	if errors.Is(err, errRun) {
		return err
	}
	return nil
}

var errRun = fmt.Errorf("more than %d octets of empty lines", maxEmptyRun)

// runCounter counts octets since the last one that is not CR or LF.
type runCounter int

func (c *runCounter) Write(p []byte) (int, error) {
	for rest := p; len(rest) > 0; {
		line := bytes.TrimLeft(rest, "\r\n")
		*c += runCounter(len(rest) - len(line))
		if *c > maxEmptyRun {
			return 0, errRun
		}
		if len(line) == 0 {
			break
		}
		*c = 0
		next := bytes.IndexAny(line, "\r\n")
		if next < 0 {
			break
		}
		rest = line[next:]
	}
	return len(p), nil
}

// keys looks key records up for the library, several at once, and remembers their flags.
type keys struct {
	ctx    context.Context
	lookup Lookup

	lock  sync.Mutex
	flags map[string]string // t= by name
}

func (k *keys) txt(name string) ([]string, error) {
	records, err := k.lookup(k.ctx, name)
	if err != nil {
		return nil, asDNSError(name, err)
	}
	if len(records) == 1 {
		k.lock.Lock()
		defer k.lock.Unlock()
		k.flags[strings.ToLower(name)] = tagList(records[0])["t"]
	}
	return records, nil
}

func (k *keys) flagsOf(name string) string {
	k.lock.Lock()
	defer k.lock.Unlock()
	return k.flags[strings.ToLower(name)]
}
