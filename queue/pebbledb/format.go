// SPDX-License-Identifier: MIT

package pebbledb

import (
	"errors"
	"fmt"
	"strconv"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/sstable"
)

// ErrNewer means that a later release wrote the store. Starting it here could lose what it does not understand.
var ErrNewer = errors.New("written by a newer posthouse, use that one or move the mail with 'posthouse queue export'")

// format is the version of keys and records, kept under the first key.
const format = 1

// Versions of pebble's own files. A new store gets the first; an older one stays as it is, so that going back to the
// last release works, until Upgrade raises it.
const (
	pebbleFormat       = pebble.FormatValueSeparation
	pebbleFormatNewest = pebble.FormatValueSeparation
)

func formatKey() []byte { return []byte{0} }

// openRecords opens pebble with the format that its files already have.
func (s *Store) openRecords() (err error) {
	dir := s.path(recordsDir)
	version := pebbleFormat
	found, err := pebble.Peek(dir, s.o.FS)
	if err != nil {
		return s.pebbleError(err)
	}
	if found.Exists && found.FormatMajorVersion > pebbleFormatNewest {
		return fmt.Errorf("pebble format %d: %w", found.FormatMajorVersion, ErrNewer)
	}
	if found.Exists {
		version = found.FormatMajorVersion
	}
	defer s.failed.catch(&err)
	s.db, err = pebble.Open(dir, s.pebbleOptions(version))
	return s.pebbleError(err)
}

// pebbleError is also what pebble reported in another way than by its answer.
func (s *Store) pebbleError(err error) error {
	if err == nil {
		return s.failed.err()
	}
	return fmt.Errorf("records: %w", err)
}

// pebbleOptions were chosen by measurement (docs/benchmarks.md): mail bodies are often compressed or encoded already and
// live for seconds, so compression costs more than it saves.
func (s *Store) pebbleOptions(version pebble.FormatMajorVersion) *pebble.Options {
	o := &pebble.Options{
		FS:                          s.o.FS,
		Lock:                        s.lock.held,
		Logger:                      &s.failed,
		EventListener:               s.failed.listener(),
		FormatMajorVersion:          version,
		ReadOnly:                    s.o.ReadOnly,
		ErrorIfNotExists:            s.o.ReadOnly,
		MemTableSize:                s.o.MemTable,
		CacheSize:                   s.o.Cache,
		MaxOpenFiles:                256,
		MemTableStopWritesThreshold: 4,
	}
	for i := range o.Levels {
		o.Levels[i].Compression = func() *sstable.CompressionProfile { return sstable.NoCompression }
	}
	return o
}

// checkFormat reads the version, or writes it into a new store.
func (s *Store) checkFormat() error {
	value, closer, err := s.db.Get(formatKey())
	if errors.Is(err, pebble.ErrNotFound) {
		return s.newFormat()
	}
	if err != nil {
		return fmt.Errorf("format: %w", err)
	}
	defer closer.Close()
	n, err := strconv.Atoi(string(value))
	if err != nil || n < 1 {
		return fmt.Errorf("format %.20q: %w", value, errDamaged)
	}
	if n > format {
		return fmt.Errorf("format %d, this one knows up to %d: %w", n, format, ErrNewer)
	}
	return nil
}

// newFormat refuses to adopt records that someone else's program left here.
func (s *Store) newFormat() error {
	if s.o.ReadOnly {
		return fmt.Errorf("no format version: %w", errDamaged)
	}
	it, err := s.db.NewIter(nil)
	if err != nil {
		return err
	}
	foreign := it.First()
	if err := it.Close(); err != nil {
		return err
	}
	if foreign {
		return fmt.Errorf("records without a format version: %w", errDamaged)
	}
	if err := s.db.Set(formatKey(), []byte(strconv.Itoa(format)), pebble.Sync); err != nil {
		return err
	}
	return s.failed.err()
}

// Format says which versions the store has: keys and records, and pebble's files.
func (s *Store) Format() (records, files int) { return format, int(s.db.FormatMajorVersion()) }

// Upgrade raises the store to the newest formats. The last release may then refuse it.
func (s *Store) Upgrade() error {
	if s.db.FormatMajorVersion() >= pebbleFormatNewest {
		return nil
	}
	if err := s.db.RatchetFormatMajorVersion(pebbleFormatNewest); err != nil {
		return fmt.Errorf("upgrade %s: %w", s.dir, err)
	}
	return s.failed.err()
}
