// SPDX-License-Identifier: MIT

package table

import (
	"context"
	"fmt"
	"os"
	"slices"
	"sync"
	"syscall"
	"time"
)

// Watcher looks at files from time to time and has them read again when they changed. It polls: what a table is made of
// may be a symbolic link into a folder that is replaced, or lie on a network drive, where notification is silent.
//
// A change is taken when two looks in a row see the same, so that a file is not read while it is being written. One that
// cannot be used is complained about once, and again after its next change.
type Watcher struct {
	interval time.Duration
	onError  func(error)

	mu      sync.Mutex
	watched []*watched
}

type watched struct {
	name   string
	paths  []string
	reload func() error
	seen   []look // by the last look
	taken  []look // when reload was called
}

// look is what can be seen of a file without reading it. The zero look is a file that is not there.
type look struct {
	device, inode uint64
	size          int64
	modified      int64
}

// NewWatcher returns a Watcher that looks every interval once Run is called. onError gets what reload functions return,
// by way of Run or ReloadAll. Neither onError nor a reload function may call the Watcher.
func NewWatcher(interval time.Duration, onError func(error)) *Watcher {
	return &Watcher{interval: interval, onError: onError}
}

// Add has reload called when any of paths changed: written, replaced, gone or back. It is also called once soon after Add,
// since a file may have changed between its being read and being watched; reload should do nothing if the contents are
// what they were.
func (w *Watcher) Add(name string, paths []string, reload func() error) {
	if len(paths) == 0 {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.watched = append(w.watched, &watched{name: name, paths: slices.Clone(paths), reload: reload})
}

// AddTable watches a table's files.
func (w *Watcher) AddTable(t *Table) {
	w.Add(t.Name(), t.Paths(), func() error { _, err := t.Reload(); return err })
}

// Run looks until ctx ends.
func (w *Watcher) Run(ctx context.Context) {
	ticker := time.NewTicker(w.interval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			w.each((*watched).look)
		}
	}
}

// ReloadAll reads everything now, as SIGHUP asks for.
func (w *Watcher) ReloadAll() { w.each((*watched).take) }

func (w *Watcher) each(step func(*watched) error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, f := range w.watched {
		if err := step(f); err != nil {
			w.onError(fmt.Errorf("%s stays as it was: %w", f.name, err))
		}
	}
}

// look takes the files if they changed and now hold still.
func (f *watched) look() error {
	now := lookAt(f.paths)
	stable := slices.Equal(now, f.seen)
	f.seen = now
	if !stable || slices.Equal(now, f.taken) {
		return nil
	}
	f.taken = now
	return f.reload()
}

func (f *watched) take() error {
	f.seen = lookAt(f.paths)
	f.taken = f.seen
	return f.reload()
}

func lookAt(paths []string) []look {
	looks := make([]look, len(paths))
	for i, path := range paths {
		info, err := os.Stat(path)
		if err != nil {
			continue
		}
		looks[i] = look{size: info.Size(), modified: info.ModTime().UnixNano()}
		if s, ok := info.Sys().(*syscall.Stat_t); ok {
			looks[i].device, looks[i].inode = uint64(s.Dev), s.Ino
		}
	}
	return looks
}
