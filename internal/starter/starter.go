// SPDX-License-Identifier: MIT

// Package starter makes the files of a first `posthouse up`: an ordinary cluster file for the domain posthouse.test, with
// its tables, certificates, keys, secrets and a zone file, so that mail finds its way on one machine with no network and
// nothing else installed. What it makes is no special mode: the files are what an operator would write, and may be edited.
//
// The names ending in .test are reserved (RFC 6761 6.2), so nothing here can be mistaken for, or leak to, a real domain.
//
// The folder appears whole or not at all: it is built beside its place and renamed. A folder that is there already is
// never written to.
package starter

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"posthouse/internal/durable"
)

// Domain is the mail domain of a first run, and User its one user.
const (
	Domain = "posthouse.test"
	User   = "guest"
)

// ConfigName is the cluster file's name in the folder.
const ConfigName = "posthouse.yaml"

// highest is the highest standard port that a base is added to (IMAPS).
const highest = 993

// ErrForeign means that the folder holds something else, which starter leaves alone.
var ErrForeign = errors.New("the folder is not empty and has no " + ConfigName)

// Options say where and how.
type Options struct {
	Dir      string // the folder to make, ./posthouse-data
	PortBase int    // added to each standard port, 0 to 64542; 2000 makes 25 into 2025
}

// Find reports the cluster file in dir, if there is one.
func Find(dir string) (config string, ok bool) {
	config = filepath.Join(dir, ConfigName)
	_, err := os.Stat(config)
	return config, err == nil
}

// Make makes the folder and returns the path of its cluster file. On an error nothing is left behind.
func Make(o Options) (config string, err error) {
	if o.PortBase < 0 || o.PortBase+highest > 65535 {
		return "", fmt.Errorf("port base %d: the ports would not be between 1 and 65535; take 0 to %d", o.PortBase, 65535-highest)
	}
	dir, err := vacant(o.Dir)
	if err != nil {
		return "", err
	}
	temp, err := os.MkdirTemp(filepath.Dir(dir), "."+filepath.Base(dir)+"-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(temp) // after the rename there is nothing
	if err := fill(temp, o); err != nil {
		return "", fmt.Errorf("making %s: %w", dir, err)
	}
	if err := os.Rename(temp, dir); err != nil {
		return "", err
	}
	return filepath.Join(dir, ConfigName), durable.SyncDir(durable.OS, filepath.Dir(dir))
}

// vacant returns the absolute path of a folder that is not there, or is empty.
func vacant(dir string) (string, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	entries, err := os.ReadDir(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return dir, os.MkdirAll(filepath.Dir(dir), 0o755)
	case err != nil:
		return "", err
	case len(entries) > 0:
		return "", fmt.Errorf("%s: %w", dir, ErrForeign)
	}
	return dir, nil
}

// fill writes all files into dir.
func fill(dir string, o Options) error {
	// Dovecot's processes go through this folder under their own user; what is secret has its own mode.
	if err := os.Chmod(dir, 0o755); err != nil {
		return err
	}
	for _, step := range []func(string, Options) error{texts, certificates, signingKey, secrets} {
		if err := step(dir, o); err != nil {
			return err
		}
	}
	return nil
}

// write puts one file in its place below dir.
func write(dir, name string, data []byte, mode fs.FileMode) error {
	path := filepath.Join(dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	return durable.WriteFile(durable.OS, path, data, mode)
}
