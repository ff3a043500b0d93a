// SPDX-License-Identifier: MIT

package pebbledb

import (
	"errors"
	"fmt"
	"os"

	"posthouse/reply"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// Usage is what a disk has left for us. Inodes: below zero means that the file system does not count them.
type Usage struct{ Bytes, Inodes int64 }

// minInodes must stay free: pebble makes files of its own.
const minInodes = 1000

// Free says whether a message of size octets (0: not announced) may come in: reply.DiskFull if the space that would be
// left, less what the open drafts may still write, is below MinFree.
func (s *Store) Free(size int64) error {
	if err := s.failed.err(); err != nil {
		return err
	}
	u, err := s.o.Usage(s.dir)
	if err != nil {
		return reply.LocalError.Because(fmt.Errorf("ask the disk of the queue: %w", err))
	}
	if left := u.Bytes - s.drafts.Load() - size; left < s.o.MinFree {
		return reply.DiskFull.Because(fmt.Errorf("%d octets would be left on the disk of the queue, %d must be", left, s.o.MinFree))
	}
	if u.Inodes >= 0 && u.Inodes < minInodes {
		return reply.DiskFull.Because(fmt.Errorf("%d inodes are left on the disk of the queue, %d must be", u.Inodes, minInodes))
	}
	return nil
}

// plainUsage is what any vfs.FS can say.
func plainUsage(fs vfs.FS) func(string) (Usage, error) {
	return func(dir string) (Usage, error) {
		u, err := fs.GetDiskUsage(dir)
		if errors.Is(err, vfs.ErrUnsupported) {
			return Usage{Bytes: 1 << 62, Inodes: -1}, nil
		}
		return Usage{Bytes: int64(min(u.AvailBytes, 1<<62)), Inodes: -1}, err
	}
}

// dropBallast gives the ballast up if the disk is full: pebble must write to open, and the queue to drain.
func (s *Store) dropBallast() error {
	u, err := s.o.Usage(s.dir)
	if err != nil || u.Bytes >= s.o.MinFree {
		return err
	}
	if err := s.o.FS.Remove(s.path(ballast)); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("give up the ballast: %w", err)
	}
	return nil
}

// makeBallast takes the space again when there is plenty. That it fails is no reason not to start.
func (s *Store) makeBallast() error {
	u, err := s.o.Usage(s.dir)
	if err != nil || s.o.Ballast < 0 || u.Bytes < 2*(s.o.MinFree+s.o.Ballast) {
		return err
	}
	if _, err := s.o.FS.Stat(s.path(ballast)); err == nil {
		return nil
	}
	f, err := s.o.FS.Create(s.path(ballast), vfs.WriteCategoryUnspecified)
	if err == nil {
		err = errors.Join(f.Preallocate(0, s.o.Ballast), f.Close())
	}
	if err != nil {
		s.o.Log.Warn("no ballast for a full disk", "error", err)
	}
	return nil
}
