// SPDX-License-Identifier: MIT

package certs

import (
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"posthouse/config"
)

// Store is the certificates in force. Its methods may be called side by side.
type Store struct {
	pairs   []Pair
	current atomic.Pointer[[]loaded]
	reload  sync.Mutex
}

// loaded is a pair with the files' bytes, by which a change is known.
type loaded struct {
	cert     tls.Certificate
	pem, key []byte
	exposed  string // to whom else the key is, if to anyone
}

// ErrNone is a configuration without a certificate.
var ErrNone = errors.New("no certificate is configured")

// Open reads all pairs. Every one must be good at the start; errors name the file.
func Open(c Config) (*Store, error) {
	s := &Store{pairs: c.Pairs()}
	if len(s.pairs) == 0 {
		return nil, ErrNone
	}
	list := make([]loaded, len(s.pairs))
	for i, p := range s.pairs {
		l, err := load(p)
		if err != nil {
			return nil, err
		}
		list[i] = l
	}
	s.current.Store(&list)
	return s, nil
}

func load(p Pair) (loaded, error) {
	pem, err := os.ReadFile(string(p.Certificate))
	if err != nil {
		return loaded{}, fmt.Errorf("certificate: %w", err)
	}
	key, err := os.ReadFile(string(p.Key))
	if err != nil {
		return loaded{}, fmt.Errorf("key: %w", err)
	}
	info, err := os.Stat(string(p.Key))
	if err != nil {
		return loaded{}, fmt.Errorf("key: %w", err)
	}
	cert, err := tls.X509KeyPair(pem, key)
	if err != nil {
		return loaded{}, fmt.Errorf("%s with %s: %w", p.Certificate, p.Key, err)
	}
	return loaded{cert, pem, key, config.Exposed(string(p.Key), info.Mode())}, nil
}

// Reload takes in the pairs that have changed. One that is broken, or half renewed, stays as it was and is an error.
func (s *Store) Reload() (changed bool, err error) {
	s.reload.Lock()
	defer s.reload.Unlock()
	old := *s.current.Load()
	list := make([]loaded, len(old))
	var errs []error
	for i, p := range s.pairs {
		l, err := load(p)
		if err != nil {
			errs = append(errs, err)
			l = old[i]
		}
		changed = changed || !bytes.Equal(l.pem, old[i].pem) || !bytes.Equal(l.key, old[i].key)
		list[i] = l
	}
	if changed {
		s.current.Store(&list)
	}
	return changed, errors.Join(errs...)
}

// Paths are the files to watch.
func (s *Store) Paths() []string {
	var out []string
	for _, p := range s.pairs {
		out = append(out, string(p.Certificate), string(p.Key))
	}
	return out
}

// Warnings are about keys that everybody may read.
func (s *Store) Warnings() []string {
	var out []string
	for _, l := range *s.current.Load() {
		if l.exposed != "" {
			out = append(out, l.exposed)
		}
	}
	return out
}

// NotAfter is when the first certificate expires.
func (s *Store) NotAfter() time.Time {
	var first time.Time
	for _, l := range *s.current.Load() {
		if t := l.cert.Leaf.NotAfter; first.IsZero() || t.Before(first) {
			first = t
		}
	}
	return first
}
