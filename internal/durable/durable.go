// SPDX-License-Identifier: MIT

// Package durable writes files so that they survive a power cut whole or not at all.
//
// POSIX promises less than it seems: a file that was written and renamed may be empty after a power cut unless it was
// synced before the rename, and its name may be gone unless the directory was synced after. WriteFile does the four steps in
// their order; the rest of the package is the file system as an interface, so that tests can let every step fail in turn.
//
// The queue has its own doors to the disk (pebble's vfs); this package is for all other files: mailboxes, keys, caches,
// generated configuration. What a file means, and when it may be missing, is its owner's affair.
package durable

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
)

// FS is what the writers of durable files need from a file system. Paths are those of the operating system.
type FS interface {
	Create(path string, perm fs.FileMode) (File, error) // for writing; fails with fs.ErrExist if there is one
	Rename(from, to string) error                       // replaces what stands at to
	Remove(path string) error
	Mkdir(path string, perm fs.FileMode) error // fails with fs.ErrExist if there is one
	SyncDir(path string) error                 // makes the names in a directory durable
}

// File is a file being written. Nothing of it is safe before Sync has returned nil.
type File interface {
	io.WriteCloser
	Sync() error
}

// WriteFile replaces the file at path by data: a new file beside it, write, sync, rename, sync of the directory. On an
// error the old file stands as it was and no temporary one is left; only if the last step failed may a power cut still
// choose between old and new.
func WriteFile(fsys FS, path string, data []byte, perm fs.FileMode) error {
	temp, err := writeTemp(fsys, path, data, perm)
	if err != nil {
		return err
	}
	if err := fsys.Rename(temp, path); err != nil {
		return errors.Join(err, fsys.Remove(temp))
	}
	return fsys.SyncDir(filepath.Dir(path))
}

// writeTemp writes and syncs data under a name beside path.
func writeTemp(fsys FS, path string, data []byte, perm fs.FileMode) (temp string, err error) {
	temp = tempName(path)
	f, err := fsys.Create(temp, perm)
	if err != nil {
		return "", err
	}
	if err := finish(f, data); err != nil {
		return "", errors.Join(fmt.Errorf("write %s: %w", path, err), fsys.Remove(temp))
	}
	return temp, nil
}

// finish closes in any case. A failed sync is not tried again: the kernel may have dropped the pages and call the second
// attempt a success.
func finish(f File, data []byte) error {
	_, err := f.Write(data)
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

// tempName begins with a dot, which readers of whole directories skip.
func tempName(path string) string {
	return filepath.Join(filepath.Dir(path), "."+filepath.Base(path)+"."+rand.Text()+".tmp")
}
