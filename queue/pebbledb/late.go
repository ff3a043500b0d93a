// SPDX-License-Identifier: MIT

package pebbledb

import (
	"sync"
	"time"

	"github.com/cockroachdb/pebble/v2"
)

// late does what may wait a moment: it syncs the log for lazy changes, and unlinks bodies once the batch that forgot
// them is surely on disk. One timer serves all.
type late struct {
	s       *Store
	working sync.Mutex // held while the log is synced and files are unlinked
	mu      sync.Mutex
	timer   *time.Timer // running while there is something to do
	armed   bool
	stopped bool
	unlink  []string
}

func (l *late) start(s *Store) { l.s = s }

// add is called after the batch is in the log, so a sync that begins later covers it.
func (l *late) add(unlink []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.unlink = append(l.unlink, unlink...)
	if l.armed || l.stopped {
		return
	}
	l.armed = true
	if l.timer == nil {
		l.timer = time.AfterFunc(l.s.o.Delay, l.run)
		return
	}
	l.timer.Reset(l.s.o.Delay)
}

// run takes the list before it syncs: what is added meanwhile waits for the next time.
func (l *late) run() {
	l.working.Lock()
	defer l.working.Unlock()
	if names, ok := l.takeAll(); ok {
		l.flush(names)
	}
}

// takeAll is false once the store is closing.
func (l *late) takeAll() ([]string, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.stopped {
		return nil, false
	}
	names := l.unlink
	l.unlink, l.armed = nil, false
	return names, true
}

// flush syncs the log with an empty record, and unlinks what no record can name any more.
func (l *late) flush(names []string) {
	if l.s.failed.err() != nil || l.s.o.ReadOnly {
		return
	}
	if err := l.sync(); err != nil {
		return
	}
	for _, name := range names {
		_ = l.s.o.FS.Remove(l.s.bodyPath(name)) // else the next sweep does it
	}
}

func (l *late) sync() (err error) {
	defer l.s.failed.catch(&err)
	if err := l.s.db.LogData(nil, pebble.Sync); err != nil {
		return l.s.failed.set(err)
	}
	return l.s.failed.err()
}

// stop waits for a run under way and does what is left.
func (l *late) stop() error {
	l.mu.Lock()
	l.stopped = true
	names, left := l.unlink, l.armed
	if l.timer != nil {
		l.timer.Stop()
	}
	l.mu.Unlock()
	l.working.Lock()
	defer l.working.Unlock()
	if left {
		l.flush(names)
	}
	return l.s.failed.err()
}
