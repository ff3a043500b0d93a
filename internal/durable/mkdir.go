// SPDX-License-Identifier: MIT

package durable

import (
	"errors"
	"io/fs"
	"path/filepath"
)

// MkdirAll makes a directory with all that lead to it, and makes their names durable. It is nil if path stood already.
func MkdirAll(fsys FS, path string, perm fs.FileMode) error {
	err := mkdir(fsys, path, perm)
	parent := filepath.Dir(path)
	if !errors.Is(err, fs.ErrNotExist) || parent == path {
		return err
	}
	if err := MkdirAll(fsys, parent, perm); err != nil {
		return err
	}
	return mkdir(fsys, path, perm)
}

// mkdir makes one directory and syncs its name. One that stands already is good, whoever made it meanwhile.
func mkdir(fsys FS, path string, perm fs.FileMode) error {
	switch err := fsys.Mkdir(path, perm); {
	case errors.Is(err, fs.ErrExist):
		return nil
	case err != nil:
		return err
	}
	return fsys.SyncDir(filepath.Dir(path))
}

// SyncDir makes the names in a directory durable: files made, renamed or removed there.
func SyncDir(fsys FS, path string) error { return fsys.SyncDir(path) }
