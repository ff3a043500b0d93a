// SPDX-License-Identifier: MIT

package dkim

import (
	"strings"

	"posthouse/config"
	"posthouse/table"
)

// Config is the `dkim:` block. The names are OpenDKIM's.
type Config struct {
	SigningTable       table.Ref `yaml:"signing_table"`       // address in From -> name; a bare path is a refile
	KeyTable           table.Ref `yaml:"key_table"`           // name -> domain:selector:key; a bare path is a file
	MultipleSignatures bool      `yaml:"multiple_signatures"` // sign by every line that matches, not the first alone
}

// Validate checks the block; the tables and keys are checked by Open.
func (c *Config) Validate(at config.Section) {
	if c.SigningTable.IsZero() {
		at.At("signing_table").Errorf("dkim needs a signing_table")
	}
	if c.KeyTable.IsZero() {
		at.At("key_table").Errorf("dkim needs a key_table")
	}
}

// withKind gives a bare path the kind that OpenDKIM's operators mean, and reports which it is.
func withKind(r table.Ref, bare string) (table.Ref, string) {
	text := r.String()
	if kind, _, ok := strings.Cut(text, ":"); ok && !strings.ContainsAny(kind, "/.") {
		return r, kind
	}
	if named, err := table.ParseRef(bare + ":" + text); err == nil {
		return named, bare
	}
	return r, "inline"
}
