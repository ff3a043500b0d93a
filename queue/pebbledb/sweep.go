// SPDX-License-Identifier: MIT

package pebbledb

import (
	"errors"
	"fmt"

	"github.com/cockroachdb/pebble/v2"
)

// sweep removes the body files that no record names: drafts that a crash cut off, and bodies whose record went before
// the file did. Other files in the directory are left alone. Only one Get a file is asked, so a long queue of small
// messages costs nothing.
func (s *Store) sweep() error {
	names, err := s.o.FS.List(s.path(bodiesDir))
	if err != nil {
		return fmt.Errorf("sweep: %w", err)
	}
	for _, name := range names {
		if !isBodyName(name) {
			continue
		}
		if err := s.sweepFile(name); err != nil {
			return fmt.Errorf("sweep %s: %w", name, err)
		}
	}
	return nil
}

func (s *Store) sweepFile(name string) error {
	_, closer, err := s.db.Get(fileKey(name))
	if err == nil {
		return closer.Close()
	}
	if !errors.Is(err, pebble.ErrNotFound) {
		return err
	}
	return s.o.FS.Remove(s.bodyPath(name))
}
