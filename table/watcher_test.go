// SPDX-License-Identifier: MIT

package table

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// watching runs a Watcher in a bubble and counts the reloads of one file.
func watching(t *testing.T, path string, reload func() error, onError func(error)) (reloads *atomic.Int32) {
	t.Helper()
	reloads = new(atomic.Int32)
	w := NewWatcher(time.Second, onError)
	w.Add("virtual", []string{path}, func() error { reloads.Add(1); return reload() })
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); w.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-done })
	return reloads
}

func fine() error { return nil }

// lookTimes lets the Watcher look n times.
func lookTimes(n int) {
	time.Sleep(time.Duration(n) * time.Second)
	synctest.Wait()
}

func TestWatcherTakesWhatHoldsStill(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		path := write(t, dir, "virtual", "a b\n")
		reloads := watching(t, path, fine, func(err error) { t.Error(err) })
		want := func(what string, n int32) {
			t.Helper()
			if got := reloads.Load(); got != n {
				t.Errorf("%s: %d reloads, want %d", what, got, n)
			}
		}
		lookTimes(1)
		want("one look is none", 0)
		lookTimes(1)
		want("two looks", 1)
		lookTimes(5)
		want("no change", 1)

		for i := range 4 { // being written
			write(t, dir, "virtual", "a b\n"+string(make([]byte, i+1)))
			lookTimes(1)
		}
		want("while it changes", 1)
		lookTimes(1)
		want("when it holds still", 2)

		write(t, dir, "next", "a b\n") // replaced by one of the same size and time
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(os.Truncate(filepath.Join(dir, "next"), info.Size()),
			os.Chtimes(filepath.Join(dir, "next"), info.ModTime(), info.ModTime()),
			os.Rename(filepath.Join(dir, "next"), path)); err != nil {
			t.Fatal(err)
		}
		lookTimes(2)
		want("another inode", 3)
	})
}

func TestWatcherComplainsOnceAChange(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		path := write(t, dir, "virtual", "a b\n")
		var complaints atomic.Int32
		tab, err := Open(MustRef(path), "")
		if err != nil {
			t.Fatal(err)
		}
		reload := func() error { _, err := tab.Reload(); return err }
		watching(t, path, reload, func(err error) { t.Log(err); complaints.Add(1) })
		lookTimes(3)

		write(t, dir, "virtual", "broken\n")
		lookTimes(5)
		if complaints.Load() != 1 || get(tab.View(), "a") != "b" {
			t.Errorf("broken: %d complaints, a is %q", complaints.Load(), get(tab.View(), "a"))
		}
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
		lookTimes(5)
		if complaints.Load() != 2 || get(tab.View(), "a") != "b" {
			t.Errorf("gone: %d complaints, a is %q", complaints.Load(), get(tab.View(), "a"))
		}
		write(t, dir, "virtual", "a mended\n")
		lookTimes(2)
		if complaints.Load() != 2 || get(tab.View(), "a") != "mended" {
			t.Errorf("mended: %d complaints, a is %q", complaints.Load(), get(tab.View(), "a"))
		}
	})
}

func TestReloadAll(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := write(t, dir, "virtual", "a b\n")
	tab, err := Open(MustRef("virtual"), dir)
	if err != nil {
		t.Fatal(err)
	}
	w := NewWatcher(time.Hour, func(err error) { t.Error(err) })
	w.AddTable(tab)
	write(t, dir, "virtual", "a c\n")
	w.ReloadAll()
	if get(tab.View(), "a") != "c" || tab.Paths()[0] != path {
		t.Errorf("a is %q", get(tab.View(), "a"))
	}
}
