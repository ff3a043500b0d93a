// SPDX-License-Identifier: MIT

// Package pebbledb is the queue's Store on pebble and files: where a 250 becomes true.
//
// RFC 5321 4.2.5 makes the 250 after the final dot a promise: the message is delivered from now on, or its sender is told.
// So Apply returns nil only after one synced batch of pebble's write-ahead log holds envelope, header, rows and body; many
// callers share one fsync. A body above a threshold is a file, written as it comes in, synced with its directory before the
// batch that names it, and unlinked only after the batch that forgot it is synced. A crash between any two of these steps
// leaves either the whole message or a file that no record names, which the next Open removes.
//
// All input and output goes through a vfs.FS, so that tests can fail any operation or cut the power. pebble reports a
// failed log through Logger.Fatalf and then returns nil; failure remembers that call, and from then on nothing succeeds.
// Scheduling is package queue's; this package only keeps.
package pebbledb

import (
	"fmt"
	"log/slog"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"posthouse/queue"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
)

// Options of a Store. Zero values mean what stands in brackets.
type Options struct {
	FS           vfs.FS                          // [the machine's]
	Log          *slog.Logger                    // pebble's own words, at debug level; failures at error [none]
	Threshold    int                             // a body of more octets is a file [128 KiB]
	MemTable     uint64                          // octets [16 MiB]; pebble may hold two or three
	Cache        int64                           // octets of blocks read [8 MiB]
	Delay        time.Duration                   // a lazy Change is durable after that, and a forgotten body file unlinked [500ms; at most 1s]
	MinFree      int64                           // octets that must stay free: Free, and the ballast at Open [64 MiB]
	MessageLimit int64                           // octets that an open draft may grow to, which Free keeps for it [0: nothing is kept]
	Ballast      int64                           // octets of a file that Open gives up when the disk is full [16 MiB; negative: none]
	Usage        func(dir string) (Usage, error) // of the disk [asks FS; inodes on Linux]
	ReadOnly     bool                            // for list and export of a stopped store: nothing is written, nothing is swept
}

func (o *Options) setDefaults() {
	setDefault(&o.FS, vfs.Default)
	setDefault(&o.Log, slog.New(slog.DiscardHandler))
	setDefault(&o.Threshold, 128<<10)
	setDefault(&o.MemTable, 16<<20)
	setDefault(&o.Cache, 8<<20)
	setDefault(&o.Delay, 500*time.Millisecond)
	o.Delay = min(o.Delay, time.Second)
	setDefault(&o.MinFree, 64<<20)
	setDefault(&o.Ballast, 16<<20)
	if o.Usage == nil {
		o.Usage = diskUsage(o.FS)
	}
}

func setDefault[T comparable](v *T, to T) {
	var zero T
	if *v == zero {
		*v = to
	}
}

// Store implements queue.Store. Make it with Open.
type Store struct {
	o      Options
	dir    string
	lock   *lock
	db     *pebble.DB
	bodies vfs.File // the directory of body files, open to be synced
	failed failure
	late   late
	recent recent
	closed atomic.Bool
	drafts atomic.Int64 // what open drafts may still write, in octets

	// settling makes "which rows are left?" and the batch that follows from the answer one step. It is not held while
	// the batch is synced.
	settling sync.Mutex
}

var _ queue.Store = (*Store)(nil)

const (
	bodiesDir  = "bodies"
	recordsDir = "records"
	ballast    = "ballast"
)

// Open opens the store in dir and makes it if need be. Errors: ErrLocked, ErrNewer, or what disk and pebble say.
func Open(dir string, o Options) (*Store, error) {
	o.setDefaults()
	s := &Store{o: o, dir: dir}
	s.failed.init(o.Log)
	if err := s.open(); err != nil {
		s.release()
		return nil, fmt.Errorf("queue in %s: %w", dir, err)
	}
	return s, nil
}

// open is the order of starting: nothing is touched without the lock, nothing is written to a newer format, space is
// made before pebble writes, and bodies are swept when the records that name them can be read.
func (s *Store) open() (err error) {
	steps := []func() error{s.makeDirs, s.takeLock, s.dropBallast, s.openRecords, s.checkFormat, s.openBodies, s.sweep, s.makeBallast}
	if s.o.ReadOnly {
		steps = []func() error{s.takeLock, s.openRecords, s.checkFormat}
	}
	for _, step := range steps {
		if err := step(); err != nil {
			return err
		}
	}
	s.late.start(s)
	return s.failed.err()
}

// makeDirs also syncs the parents: a directory that a power cut takes back would take the queue along.
func (s *Store) makeDirs() error {
	for _, d := range []string{s.dir, s.path(recordsDir), s.path(bodiesDir)} {
		if err := s.o.FS.MkdirAll(d, 0o700); err != nil {
			return err
		}
	}
	for _, d := range []string{filepath.Dir(s.dir), s.dir} {
		if err := syncDir(s.o.FS, d); err != nil {
			return err
		}
	}
	return nil
}

func syncDir(fs vfs.FS, dir string) error {
	d, err := fs.OpenDir(dir)
	if err != nil {
		return err
	}
	err = d.Sync()
	if e := d.Close(); err == nil {
		err = e
	}
	return err
}

func (s *Store) openBodies() (err error) {
	s.bodies, err = s.o.FS.OpenDir(s.path(bodiesDir))
	return err
}

func (s *Store) path(name string) string     { return s.o.FS.PathJoin(s.dir, name) }
func (s *Store) bodyPath(name string) string { return s.o.FS.PathJoin(s.dir, bodiesDir, name) }

// Failed is closed at the first failure of the log or the disk: the service must end and be started again.
func (s *Store) Failed() <-chan struct{} { return s.failed.done }

// Err is that failure, or nil.
func (s *Store) Err() error { return s.failed.err() }

// Close makes lazy changes durable and lets the lock go. Nothing else may be running. A second Close does nothing.
func (s *Store) Close() error {
	if s.closed.Swap(true) {
		return nil
	}
	err := s.late.stop()
	if e := s.release(); err == nil {
		err = e
	}
	return err
}

// release closes what is open, in the reverse order. A failed pebble is left alone: its commit pipeline may be stuck.
func (s *Store) release() (err error) {
	if s.db != nil && s.failed.err() == nil {
		err = s.db.Close()
	}
	if s.bodies != nil {
		s.bodies.Close()
	}
	if s.lock != nil {
		s.lock.release()
	}
	return err
}
