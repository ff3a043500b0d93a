// SPDX-License-Identifier: MIT

package pebbledb

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"sync"
	"syscall"

	"posthouse/mail"
	"posthouse/reply"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// draft is a body while it comes in: in memory up to the threshold, then a file. Its methods are called one at a time,
// except Open.
type draft struct {
	s    *Store
	mu   sync.Mutex
	buf  []byte   // all of it, or what is not in the file yet
	file vfs.File // nil: all is in buf
	name string
	size int64
	kept int64 // what Free keeps for it
	err  error // of a write; sticks
	over bool  // adopted or discarded
}

var errDraftOver = errors.New("draft is discarded or adopted")

// Create starts a draft in memory.
func (s *Store) Create() (mail.Draft, error) {
	if err := s.failed.err(); err != nil {
		return nil, err
	}
	if s.o.ReadOnly {
		return nil, errReadOnly
	}
	s.drafts.Add(s.o.MessageLimit)
	return &draft{s: s, kept: s.o.MessageLimit}, nil
}

// Write appends. Beyond the threshold memory is a buffer that keeps the writes to the file large.
func (d *draft) Write(p []byte) (int, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.over {
		return 0, errDraftOver
	}
	for rest := p; len(rest) > 0 && d.err == nil; {
		n := min(len(rest), d.s.o.Threshold-len(d.buf))
		if n == 0 {
			d.spill()
			continue
		}
		d.grow(n)
		d.buf = append(d.buf, rest[:n]...)
		rest = rest[n:]
	}
	if d.err != nil {
		return 0, d.err
	}
	d.size += int64(len(p))
	d.keep(d.kept - int64(len(p)))
	return len(p), nil
}

// grow makes room fourfold at least: a body comes in many writes, and append alone would copy it as often.
func (d *draft) grow(n int) {
	if need := len(d.buf) + n; need > cap(d.buf) {
		d.buf = append(make([]byte, 0, min(max(need, 4*cap(d.buf), leastBuffer), max(d.s.o.Threshold, need))), d.buf...)
	}
}

// leastBuffer holds most mail that has no attachment.
const leastBuffer = 8 << 10

// keep changes what Free holds back for this draft.
func (d *draft) keep(n int64) {
	n = max(n, 0)
	d.s.drafts.Add(n - d.kept)
	d.kept = n
}

// spill moves the buffer to the file and makes the file if there is none.
func (d *draft) spill() {
	if d.file == nil {
		d.create()
	}
	if d.err == nil {
		_, err := d.file.Write(d.buf)
		d.err = diskFull(err)
		d.buf = d.buf[:0]
	}
}

func (d *draft) create() {
	d.name = newBodyName()
	file, err := d.s.o.FS.Create(d.s.bodyPath(d.name), vfs.WriteCategoryUnspecified)
	if d.err = diskFull(err); err == nil {
		d.file = file
	}
}

// diskFull gives the error of a disk without room its reply: 452 4.3.1, the same as MAIL would have had.
func diskFull(err error) error {
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return reply.DiskFull.Because(err)
	}
	return err
}

// Open reads what is written so far.
func (d *draft) Open() (io.ReadCloser, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.file == nil {
		return mail.Bytes(d.buf).Open()
	}
	if len(d.buf) > 0 && d.err == nil {
		d.spill()
	}
	if d.err != nil {
		return nil, d.err
	}
	return fileBody{d.s.o.FS, d.s.bodyPath(d.name), d.size}.Open()
}

// Size is the octets written.
func (d *draft) Size() int64 { return d.size }

// Discard ends a draft that nobody adopted.
func (d *draft) Discard() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.over {
		return
	}
	d.end()
	if d.file != nil {
		d.file.Close()
		_ = d.s.o.FS.Remove(d.s.bodyPath(d.name)) // else the next sweep does it
	}
}

func (d *draft) end() {
	d.over = true
	d.keep(0)
}

// adopt makes a file durable: its content first, its name (the directory) by the caller. False: someone else has it.
func (d *draft) adopt() (bool, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.over || d.err != nil {
		return false, d.err
	}
	if d.file == nil {
		d.end()
		return true, nil
	}
	if d.spill(); d.err != nil {
		return false, d.err
	}
	if err := d.file.Sync(); err != nil {
		d.err = d.s.failed.set(fmt.Errorf("sync body: %w", err))
		return false, d.err
	}
	d.err = d.file.Close()
	d.end()
	return true, d.err
}

// newBodyName is random: a name is never used twice, so a late unlink cannot hit a new body.
func newBodyName() string {
	var b [12]byte
	rand.Read(b[:])
	return hex.EncodeToString(b[:])
}

func isBodyName(s string) bool {
	b, err := hex.DecodeString(s)
	return err == nil && len(b) == 12
}
