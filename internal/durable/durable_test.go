// SPDX-License-Identifier: MIT

package durable

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var errInjected = errors.New("injected")

// recorder is the real file system with a diary. The operation whose number is fail does not happen.
type recorder struct {
	FS
	fail int
	log  []string
}

func (r *recorder) step(format string, args ...any) error {
	r.log = append(r.log, fmt.Sprintf(format, args...))
	if len(r.log) == r.fail {
		return errInjected
	}
	return nil
}

func (r *recorder) Create(path string, perm fs.FileMode) (File, error) {
	if err := r.step("create"); err != nil {
		return nil, err
	}
	f, err := r.FS.Create(path, perm)
	return recordedFile{f, r}, err
}

func (r *recorder) Rename(from, to string) error {
	if err := r.step("rename to %s", filepath.Base(to)); err != nil {
		return err
	}
	return r.FS.Rename(from, to)
}

func (r *recorder) Remove(path string) error {
	r.log = append(r.log, "remove")
	return r.FS.Remove(path)
}

func (r *recorder) Mkdir(path string, perm fs.FileMode) error {
	if err := r.step("mkdir %s", filepath.Base(path)); err != nil {
		return err
	}
	return r.FS.Mkdir(path, perm)
}

func (r *recorder) SyncDir(path string) error {
	if err := r.step("sync directory"); err != nil {
		return err
	}
	return r.FS.SyncDir(path)
}

type recordedFile struct {
	File
	r *recorder
}

func (f recordedFile) Write(p []byte) (int, error) {
	if err := f.r.step("write"); err != nil {
		return 0, err
	}
	return f.File.Write(p)
}

func (f recordedFile) Sync() error {
	if err := f.r.step("sync"); err != nil {
		return err
	}
	return f.File.Sync()
}

func (f recordedFile) Close() error { return errors.Join(f.r.step("close"), f.File.Close()) }

func TestWriteFileOrder(t *testing.T) {
	t.Parallel()
	r := &recorder{FS: OS}
	path := filepath.Join(t.TempDir(), "f")
	if err := WriteFile(r, path, []byte("new"), 0o600); err != nil {
		t.Fatal(err)
	}
	want := "create, write, sync, close, rename to f, sync directory"
	if got := strings.Join(r.log, ", "); got != want {
		t.Errorf("%s; want %s", got, want)
	}
	if info, err := os.Stat(path); err != nil || info.Mode() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
}

func TestWriteFileEachStepFails(t *testing.T) {
	t.Parallel()
	for fail := 1; fail <= 6; fail++ {
		dir := t.TempDir()
		path := filepath.Join(dir, "f")
		if err := os.WriteFile(path, []byte("old"), 0o600); err != nil {
			t.Fatal(err)
		}
		r := &recorder{FS: OS, fail: fail}
		if err := WriteFile(r, path, []byte("new"), 0o600); !errors.Is(err, errInjected) {
			t.Errorf("step %d of %v: %v", fail, r.log, err)
		}
		want := "old"
		if fail == 6 { // renamed already: new, but perhaps not for good
			want = "new"
		}
		if got, err := os.ReadFile(path); err != nil || string(got) != want {
			t.Errorf("step %d: %q, %v", fail, got, err)
		}
		if left, err := os.ReadDir(dir); err != nil || len(left) != 1 {
			t.Errorf("step %d leaves %v, %v", fail, left, err)
		}
	}
}

func TestMkdirAll(t *testing.T) {
	t.Parallel()
	r := &recorder{FS: OS}
	path := filepath.Join(t.TempDir(), "a", "b")
	for range 2 {
		if err := MkdirAll(r, path, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	want := "mkdir b, mkdir a, sync directory, mkdir b, sync directory, mkdir b"
	if got := strings.Join(r.log, ", "); got != want {
		t.Errorf("%s; want %s", got, want)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
}

func TestMkdirAllEachStepFails(t *testing.T) {
	t.Parallel()
	for fail := 1; fail <= 5; fail++ {
		r := &recorder{FS: OS, fail: fail}
		if err := MkdirAll(r, filepath.Join(t.TempDir(), "a", "b"), 0o700); !errors.Is(err, errInjected) {
			t.Errorf("step %d of %v: %v", fail, r.log, err)
		}
	}
}

func TestOS(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "f")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if f, err := OS.Create(path, 0o600); f != nil || !errors.Is(err, fs.ErrExist) {
		t.Error(f, err)
	}
	if err := SyncDir(OS, path+"/none"); err == nil {
		t.Error("no error")
	}
	if err := WriteFile(OS, filepath.Join(path, "under a file"), nil, 0o600); err == nil {
		t.Error("no error")
	}
}
