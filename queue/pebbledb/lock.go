// SPDX-License-Identifier: MIT

package pebbledb

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
)

// ErrLocked means that another process has the store open.
var ErrLocked = errors.New("in use by another process")

const pidFile = "pid"

// lock is pebble's lock on the directory, and a file that says to a second process who holds it.
type lock struct {
	fs   vfs.FS
	pid  string
	held *pebble.Lock
}

func (s *Store) takeLock() error {
	dir := s.path(recordsDir)
	held, err := pebble.LockDirectory(dir, s.o.FS)
	if err != nil {
		return s.lockError(err)
	}
	s.lock = &lock{fs: s.o.FS, held: held}
	if s.o.ReadOnly {
		return nil
	}
	s.lock.pid = s.path(pidFile)
	return writePid(s.o.FS, s.lock.pid)
}

// lockError tells a lock that is held from a directory that is not there or not ours.
func (s *Store) lockError(err error) error {
	if errors.Is(err, os.ErrNotExist) || errors.Is(err, os.ErrPermission) {
		return fmt.Errorf("lock: %w", err)
	}
	if pid := readPid(s.o.FS, s.path(pidFile)); pid != "" {
		return fmt.Errorf("%w, pid %s: %w", ErrLocked, pid, err)
	}
	return fmt.Errorf("%w: %w", ErrLocked, err)
}

func (l *lock) release() {
	if l.pid != "" {
		_ = l.fs.Remove(l.pid)
	}
	_ = l.held.Close()
}

// writePid need not survive a crash: the lock itself does not either.
func writePid(fs vfs.FS, path string) error {
	f, err := fs.Create(path, vfs.WriteCategoryUnspecified)
	if err != nil {
		return fmt.Errorf("write pid: %w", err)
	}
	_, err = fmt.Fprintf(f, "%d\n", os.Getpid())
	if e := f.Close(); err == nil {
		err = e
	}
	return err
}

func readPid(fs vfs.FS, path string) string {
	f, err := fs.Open(path)
	if err != nil {
		return ""
	}
	defer f.Close()
	text, _ := io.ReadAll(io.LimitReader(f, 20))
	return strings.TrimSpace(string(text))
}
