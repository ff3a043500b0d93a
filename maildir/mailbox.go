// SPDX-License-Identifier: MIT

package maildir

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"

	"posthouse/internal/durable"
	"posthouse/mail"
)

// Mail is nobody else's to read.
const (
	dirMode  = 0o700
	fileMode = 0o600
)

// mailbox is one Maildir at dir.
type mailbox struct {
	Options
	dir string
}

// add writes msg into new, and leaves nothing in tmp if it fails. When the last sync fails the message may be there all the
// same; the next attempt then makes a second one, which is better than none.
func (m mailbox) add(ctx context.Context, msg *mail.Message) error {
	unique := m.unique()
	temp := filepath.Join(m.dir, "tmp", unique)
	f, err := m.create(temp)
	if err != nil {
		return err
	}
	size, err := fill(ctx, f, msg)
	if err != nil {
		return errors.Join(err, m.FS.Remove(temp))
	}
	place := filepath.Join(m.dir, "new", fmt.Sprintf("%s,S=%d,W=%d", unique, size, msg.Size()))
	if err := m.FS.Rename(temp, place); err != nil {
		return errors.Join(err, m.FS.Remove(temp))
	}
	return m.FS.SyncDir(filepath.Join(m.dir, "new"))
}

// create makes the folders only when tmp is missing: that is once in a mailbox's life.
func (m mailbox) create(path string) (durable.File, error) {
	f, err := m.FS.Create(path, fileMode)
	if !errors.Is(err, fs.ErrNotExist) {
		return f, err
	}
	if err := m.makeFolders(); err != nil {
		return nil, err
	}
	return m.FS.Create(path, fileMode)
}

// makeFolders makes tmp last, so that where there is a tmp there is a whole Maildir, and a durable one: the folders above are
// synced again before, since an attempt that failed may have made them and not come to that.
func (m mailbox) makeFolders() error {
	for _, name := range []string{"cur", "new"} {
		if err := durable.MkdirAll(m.FS, filepath.Join(m.dir, name), dirMode); err != nil {
			return err
		}
	}
	user := filepath.Dir(m.dir)
	for _, above := range []string{m.dir, user, m.Root, filepath.Dir(m.Root)} {
		if err := m.FS.SyncDir(above); err != nil {
			return err
		}
	}
	return durable.MkdirAll(m.FS, filepath.Join(m.dir, "tmp"), dirMode)
}

// unique is seconds, microseconds, something random, and the host, as maildir(5) advises.
func (m mailbox) unique() string {
	now := m.Now()
	return fmt.Sprintf("%d.M%06dR%s.%s", now.Unix(), now.Nanosecond()/1000, rand.Text(), m.Hostname)
}

// fill writes, syncs and closes. It returns the octets in the file.
func fill(ctx context.Context, f durable.File, msg *mail.Message) (int64, error) {
	w := &lines{ctx: ctx, w: f}
	err := w.message(msg)
	if err == nil {
		err = f.Sync()
	}
	return w.n, errors.Join(err, f.Close())
}
