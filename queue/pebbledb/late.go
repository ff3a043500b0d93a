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
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.stopped {
		l.flush()
	}
}

// flush is run with the lock held: add waits for a sync at most, and Close cannot pull pebble away.
func (l *late) flush() {
	names := l.unlink
	l.unlink, l.armed = nil, false
	if l.s.failed.err() != nil || l.s.o.ReadOnly {
		return
	}
	if err := l.s.db.LogData(nil, pebble.Sync); err != nil {
		_ = l.s.failed.set(err)
	}
	if l.s.failed.err() != nil {
		return
	}
	for _, name := range names {
		_ = l.s.o.FS.Remove(l.s.bodyPath(name)) // else the next sweep does it
	}
}

// stop does what is left.
func (l *late) stop() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.stopped = true
	if l.timer != nil {
		l.timer.Stop()
	}
	if l.armed {
		l.flush()
	}
	return l.s.failed.err()
}
