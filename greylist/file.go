// SPDX-License-Identifier: MIT

package greylist

import (
	"container/list"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"posthouse/internal/durable"
	"posthouse/table"
)

// file is where a List is kept.
type file struct {
	fs   durable.FS
	path string

	mu      sync.Mutex
	open    durable.File // nil: to be written anew before anything is appended
	records int          // in the file
	failing bool         // the last attempt to write failed
}

// Open reads the list in dir, which is made if need be. A file that a newer version wrote is an error.
func Open(dir string, c Config, o Options) (*List, error) {
	o = o.defaults()
	l := &List{elapsed: o.Elapsed, log: o.Log, entries: make(map[key]*list.Element), base: o.Now().UnixMilli()}
	for i := range l.ages {
		l.ages[i] = list.New()
	}
	l.Use(c, o.Clients, o.Recipients)
	l.file.fs, l.file.path = o.FS, filepath.Join(dir, "triplets")
	if err := durable.MkdirAll(o.FS, dir, 0o700); err != nil {
		return nil, fmt.Errorf("greylist: %w", err)
	}
	if err := l.read(); err != nil {
		return nil, fmt.Errorf("greylist: %s %w", l.file.path, err)
	}
	if err := l.rewrite(); err != nil {
		return nil, fmt.Errorf("greylist: %w", err)
	}
	return l, nil
}

func (o Options) defaults() Options {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Elapsed == nil {
		start := o.Now()
		o.Elapsed = func() time.Duration { return o.Now().Sub(start) }
	}
	if o.FS == nil {
		o.FS = durable.OS
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return o
}

// Use takes new settings; what is known stays.
func (l *List) Use(c Config, clients, recipients *table.Table) {
	l.settings.Store(&settings{c, clients, recipients})
}

// read loads the file. One that is not there, or empty, is the first start.
func (l *List) read() error {
	f, err := os.Open(l.file.path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer f.Close()
	if info, err := f.Stat(); err != nil || info.Size() == 0 {
		return err
	}
	records, damaged, err := parse(f)
	if err != nil {
		return err
	}
	if damaged > 0 {
		l.log.Warn("damaged records of the greylist are dropped; their mail waits again", "file", l.file.path, "records", damaged)
	}
	l.load(records)
	return nil
}

// Run writes what is new to disk every second, and forgets what has expired, until ctx ends.
func (l *List) Run(ctx context.Context) error {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			l.save()
		}
	}
}

// Close writes what is left.
func (l *List) Close() error {
	l.file.mu.Lock()
	defer l.file.mu.Unlock()
	return errors.Join(l.flush(), l.file.close())
}
