// SPDX-License-Identifier: MIT

package durable

import (
	"errors"
	"io/fs"
	"os"
)

// system is the operating system's FS. It is a number only so that OS can be a constant.
type system int

// OS is the real file system.
const OS system = 0

// Create implements FS.
func (system) Create(path string, perm fs.FileMode) (File, error) {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, perm)
	if err != nil {
		return nil, err // not f: a nil *os.File is not a nil File
	}
	return f, nil
}

// Rename implements FS.
func (system) Rename(from, to string) error { return os.Rename(from, to) }

// Remove implements FS.
func (system) Remove(path string) error { return os.Remove(path) }

// Mkdir implements FS.
func (system) Mkdir(path string, perm fs.FileMode) error { return os.Mkdir(path, perm) }

// SyncDir implements FS.
func (system) SyncDir(path string) error {
	dir, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}
