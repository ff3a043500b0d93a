// SPDX-License-Identifier: MIT

package pebbledb

import (
	"context"
	"fmt"
	"log/slog"
	"sync"

	"github.com/cockroachdb/pebble/v2"
)

// failure is the first thing that went wrong with the disk. It sticks: after a failed fsync the kernel may have dropped
// the pages and report success for the next one, so nothing that follows can be believed.
type failure struct {
	log   *slog.Logger
	mu    sync.Mutex
	first error
	done  chan struct{}
}

func (f *failure) init(log *slog.Logger) {
	f.log = log
	f.done = make(chan struct{})
}

func (f *failure) set(err error) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.first == nil {
		f.first = fmt.Errorf("queue store failed: %w", err)
		f.log.Error("queue store failed, the service must be restarted", "error", err)
		close(f.done)
	}
	return f.first
}

func (f *failure) err() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.first
}

// catch makes an error of a panic: where pebble cannot write its files it sometimes has no other word. Deferred.
func (f *failure) catch(err *error) {
	if p := recover(); p != nil {
		*err = f.set(fmt.Errorf("panic: %v", p))
	}
}

// Infof, Errorf and Fatalf make it a pebble.Logger. Fatalf returns, and pebble then reports success: Apply asks err
// before it does the same.
func (f *failure) Infof(format string, args ...any) {
	if f.log.Enabled(context.Background(), slog.LevelDebug) {
		f.log.Debug(fmt.Sprintf(format, args...))
	}
}

// Errorf is for what pebble tries again by itself.
func (f *failure) Errorf(format string, args ...any) { f.log.Warn(fmt.Sprintf(format, args...)) }

// Fatalf is what pebble says instead of an error.
func (f *failure) Fatalf(format string, args ...any) { _ = f.set(fmt.Errorf(format, args...)) }

// nothingToFlush is how pebble reports a flush whose keys had all been deleted. The error is not exported.
const nothingToFlush = "pebble: empty table"

// listener hears of flushes that fail: pebble would try for ever while memory fills and commits block.
func (f *failure) listener() *pebble.EventListener {
	return &pebble.EventListener{
		FlushEnd: func(i pebble.FlushInfo) {
			if i.Err != nil && i.Err.Error() != nothingToFlush {
				_ = f.set(fmt.Errorf("flush: %w", i.Err))
			}
		},
		BackgroundError: func(err error) { f.log.Warn("queue store", "error", err) },
	}
}
