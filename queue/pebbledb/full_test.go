// SPDX-License-Identifier: MIT

package pebbledb

import (
	"sync/atomic"
	"syscall"
	"testing"

	"posthouse/mail"
	"posthouse/queue"
	"posthouse/reply"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
)

// A body for which the disk has no room is answered as MAIL would be, and the store goes on: nothing was promised.
func TestBodyOnFullDisk(t *testing.T) {
	t.Parallel()
	var full atomic.Bool
	fs := errorfs.Wrap(vfs.NewMem(), errorfs.InjectorFunc(func(op errorfs.Op) error {
		if full.Load() && op.Kind.ReadOrWrite() == errorfs.OpIsWrite {
			return syscall.ENOSPC
		}
		return nil
	}))
	s, err := Open("/q", Options{FS: fs, Threshold: 1000, Ballast: -1})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for _, before := range []int{0, 2500} { // the file cannot be made; it cannot grow
		full.Store(false)
		d, err := s.Create()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := d.Write(make([]byte, before)); err != nil {
			t.Fatal(err)
		}
		full.Store(true)
		_, err = d.Write(make([]byte, 5000))
		if err == nil || reply.For(err).String() != reply.DiskFull.String() {
			t.Errorf("after %d octets: %v", before, err)
		}
		full.Store(false)
		d.Discard()
	}
	if err := s.Err(); err != nil {
		t.Error(err)
	}
}

// liar is a body that has more or less than it says.
type liar struct {
	mail.Bytes
	says int64
}

func (l liar) Size() int64 { return l.says }

// A body that is not as long as it says is refused whole, small or large.
func TestBodyThatLies(t *testing.T) {
	t.Parallel()
	s, err := Open("/q", Options{FS: vfs.NewMem(), Threshold: 1000, Ballast: -1})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for _, size := range []int{500, 5000} {
		for _, off := range []int64{-1, 1} {
			e := entry(t, s, size, 1)
			e.Message.Body = liar{make(mail.Bytes, size), int64(size) + off}
			if err := s.Apply(t.Context(), queue.Change{Add: []queue.Entry{e}}); err == nil {
				t.Errorf("%d octets that say they are %d were taken", size, int64(size)+off)
			}
		}
	}
	if err := s.Err(); err != nil {
		t.Error(err)
	}
}
