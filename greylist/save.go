// SPDX-License-Identifier: MIT

package greylist

import (
	"errors"
	"io/fs"
	"path/filepath"

	"posthouse/internal/durable"
)

// save brings the disk up to date. Trouble is logged when it begins and when it ends: mail goes on without the disk.
func (l *List) save() {
	l.file.mu.Lock()
	defer l.file.mu.Unlock()
	err := l.flush()
	switch {
	case err != nil && !l.file.failing:
		l.log.Error("the greylist cannot be written; it goes on in memory", "file", l.file.path, "err", err)
	case err == nil && l.file.failing:
		l.log.Info("the greylist is written again", "file", l.file.path)
	}
	l.file.failing = err != nil
}

// history is how many records beyond twice those in use a file may have before it is written anew.
const history = 10_000

// flush appends what has changed, or writes the file anew when it is mostly history or its end is not to be trusted.
func (l *List) flush() error {
	f := &l.file
	l.mu.Lock()
	l.sweep()
	anew := f.open == nil || l.overflow || f.records > 2*len(l.entries)+history
	var data []byte
	if !anew {
		f.records += len(l.dirty)
		for _, e := range l.dirty {
			data = record{e.key, e.facts}.append(data)
			e.dirty = false
		}
		l.dirty = nil
	}
	l.mu.Unlock()
	switch {
	case anew:
		return l.rewrite()
	case len(data) == 0:
		return nil
	}
	if _, err := f.open.Write(data); err != nil {
		return errors.Join(err, f.close())
	}
	if err := f.open.Sync(); err != nil {
		return errors.Join(err, f.close())
	}
	return nil
}

// rewrite replaces the file by one that holds what is known now, and keeps it open for what follows.
func (l *List) rewrite() error {
	f := &l.file
	if err := f.close(); err != nil {
		return err
	}
	data, n := l.all()
	open, err := f.replace(data)
	if err == nil {
		f.open, f.records = open, n
	}
	return err
}

// all is the whole file, the entry seen longest ago first in each state.
func (l *List) all() (data []byte, records int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	data = append(make([]byte, 0, 32+recordSize*len(l.entries)), head()...)
	for _, age := range l.ages {
		for at := age.Front(); at != nil; at = at.Next() {
			e := at.Value.(*entry)
			data = record{e.key, e.facts}.append(data)
			e.dirty = false
		}
	}
	l.dirty, l.overflow = nil, false
	return data, len(l.entries)
}

func (f *file) close() error {
	if f.open == nil {
		return nil
	}
	err := f.open.Close()
	f.open = nil
	return err
}

// replace does what durable.WriteFile does, but leaves the new file open. One that a crash left beside it goes first.
func (f *file) replace(data []byte) (durable.File, error) {
	temp := f.path + ".new"
	if err := f.fs.Remove(temp); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	open, err := f.fs.Create(temp, 0o600)
	if err != nil {
		return nil, err
	}
	if _, err = open.Write(data); err == nil {
		err = open.Sync()
	}
	if err == nil {
		err = f.fs.Rename(temp, f.path)
	}
	if err == nil {
		err = f.fs.SyncDir(filepath.Dir(f.path))
	}
	if err != nil {
		return nil, errors.Join(err, open.Close())
	}
	return open, nil
}
