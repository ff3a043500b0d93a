// SPDX-License-Identifier: MIT

package dkim

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"

	"posthouse/table"
)

// ErrKey is a message that should be signed by a key which cannot be used. It must wait rather than leave unsigned: 451 4.3.5.
var ErrKey = errors.New("no usable DKIM key")

// Signer signs by OpenDKIM's tables. It may be used by several goroutines.
type Signer struct {
	config        Config
	dir           string
	signing, keys *table.Table
	wildcard      bool
	state         atomic.Pointer[state]
}

// state is the tables and keys in force.
type state struct {
	signing signingTable
	keys    *keyTable
}

// Open reads the tables and keys of a validated Config; relative files are in dir.
func Open(c Config, dir string) (*Signer, error) {
	signing, kind := withKind(c.SigningTable, "refile")
	keys, _ := withKind(c.KeyTable, "file")
	s := &Signer{config: c, dir: dir, wildcard: kind == "refile"}
	var err, err2 error
	s.signing, err = table.Open(signing, dir)
	s.keys, err2 = table.Open(keys, dir)
	if err := errors.Join(err, err2); err != nil {
		return nil, err
	}
	return s, s.build()
}

// build reads the keys and checks that each line of the SigningTable has one.
func (s *Signer) build() error {
	keys, err := readKeyTable(s.keys.View(), s.dir)
	if err != nil {
		return err
	}
	signing := signingTable{s.signing.View(), s.wildcard}
	var errs []error
	for _, e := range signing.view.All() {
		if u := newUse(e, "%"); u.name != "%" {
			if _, found := keys.lines[strings.ToLower(u.name)]; !found {
				errs = append(errs, fmt.Errorf("%s: no key %q in the key table", e.Where, u.name))
			}
		}
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	s.state.Store(&state{signing, keys})
	return nil
}

// Paths are the tables and the keys that they name now: a change of any asks for a Reload.
func (s *Signer) Paths() []string {
	return slices.Concat(s.signing.Paths(), s.keys.Paths(), s.state.Load().keys.files())
}

// Reload reads tables and keys again. If anything is wrong, all of the last good ones stay in force.
func (s *Signer) Reload() (changed bool, err error) {
	one, err := s.signing.Reload()
	two, err2 := s.keys.Reload()
	if err := errors.Join(err, err2); err != nil {
		return false, err
	}
	old := s.state.Load().keys
	if err := s.build(); err != nil {
		return false, err
	}
	return one || two || !old.sameKeys(s.state.Load().keys), nil
}

// Warnings are the key files that more users may read than should.
func (s *Signer) Warnings() []string { return s.state.Load().keys.warnings }
