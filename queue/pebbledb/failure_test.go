// SPDX-License-Identifier: MIT

package pebbledb

import (
	"errors"
	"sync"
	"syscall"
	"testing"
	"time"

	"posthouse/mail"
	"posthouse/queue"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
)

// fullAfter fails the nth operation that changes the disk, and all that follow, as a full disk does.
func fullAfter(n int) errorfs.Injector {
	var mu sync.Mutex
	return errorfs.InjectorFunc(func(op errorfs.Op) error {
		if op.Kind.ReadOrWrite() != errorfs.OpIsWrite || op.Kind == errorfs.OpRemove || op.Kind == errorfs.OpRemoveAll {
			return nil
		}
		mu.Lock()
		defer mu.Unlock()
		if n--; n < 0 {
			return syscall.ENOSPC
		}
		return nil
	})
}

// failOnce fails the nth operation alone, as a bad sector or a moment without space does.
func failOnce(n int) errorfs.Injector {
	var mu sync.Mutex
	return errorfs.InjectorFunc(func(op errorfs.Op) error {
		if op.Kind.ReadOrWrite() != errorfs.OpIsWrite {
			return nil
		}
		mu.Lock()
		defer mu.Unlock()
		if n--; n == -1 {
			return syscall.EIO
		}
		return nil
	})
}

// However the disk fails, what Apply said is true after the power is gone too.
func TestNoFalseSuccessWhenTheDiskFails(t *testing.T) {
	t.Parallel()
	for name, inject := range map[string]func(int) errorfs.Injector{"once": failOnce, "for good": fullAfter} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for n := 0; ; n++ {
				mem := vfs.NewCrashableMem()
				acked, err := workUntilError(t, errorfs.Wrap(mem, inject(n)))
				expectAll(t, n, mem.CrashClone(vfs.CrashCloneCfg{}), acked)
				if err == nil {
					return // n is beyond the last operation
				}
			}
		})
	}
}

// workUntilError returns what was acknowledged. After an error of the disk nothing may succeed any more.
func workUntilError(t *testing.T, fs vfs.FS) (acked []mail.ID, first error) {
	t.Helper()
	s, err := Open("/q", Options{FS: fs, Threshold: 1000, MemTable: 64 << 10, Ballast: -1})
	if err != nil {
		return nil, err
	}
	defer s.Close()
	var last queue.Entry
	for i := range 40 {
		e := queue.Entry{}
		e, err = tryEntry(t, s, 500+i%3*1000)
		if err == nil {
			err = s.Apply(t.Context(), queue.Change{Add: []queue.Entry{e}, Put: last.Rows})
		}
		switch {
		case err == nil && s.Err() != nil:
			t.Fatalf("success after %v", s.Err())
		case err == nil:
			acked = append(acked, e.Envelope.ID)
			last = e
		case first == nil:
			first = err
		}
	}
	return acked, first
}

func tryEntry(t *testing.T, s *Store, size int) (queue.Entry, error) {
	d, err := s.Create()
	if err != nil {
		return queue.Entry{}, err
	}
	if _, err := d.Write(make([]byte, size)); err != nil {
		d.Discard()
		return queue.Entry{}, err
	}
	now := time.Now()
	to := path(t, "<b@example.test>")
	env := &mail.Envelope{ID: mail.NewID(now), Recipients: []mail.Recipient{{To: to, Given: to}}}
	rows := []queue.Row{{ID: env.ID, Destination: "example.test", Due: now}}
	return queue.Entry{Envelope: env, Message: &mail.Message{Body: d}, Rows: rows}, nil
}

func expectAll(t *testing.T, n int, fs vfs.FS, acked []mail.ID) {
	t.Helper()
	s, err := Open("/q", Options{FS: fs, Threshold: 1000, Ballast: -1})
	if err != nil {
		t.Fatalf("operation %d failed: open again: %v", n, err)
	}
	defer s.Close()
	for _, id := range acked {
		_, m, err := s.Load(t.Context(), id)
		if err == nil {
			_, err = m.Body.Open()
		}
		if err != nil {
			t.Errorf("operation %d failed: %v", n, err)
		}
	}
}

// pebble calls Fatalf for a log that fails, and then reports success.
func TestFailureSticks(t *testing.T) {
	t.Parallel()
	toggle := &errorfs.Toggle{Injector: errorfs.InjectorFunc(func(op errorfs.Op) error {
		if op.Kind == errorfs.OpFileSyncData || op.Kind == errorfs.OpFileSync || op.Kind == errorfs.OpFileWrite {
			return syscall.ENOSPC
		}
		return nil
	})}
	s := open(t, errorfs.Wrap(vfs.NewMem(), toggle), nil)
	e := entry(t, s, 10, 1)
	toggle.On()
	if err := s.Apply(t.Context(), queue.Change{Add: []queue.Entry{e}}); !errors.Is(err, syscall.ENOSPC) {
		t.Fatalf("got %v", err)
	}
	toggle.Off()
	<-s.Failed()
	if err := s.Apply(t.Context(), queue.Change{Put: e.Rows}); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("the next change: %v", err)
	}
	if _, err := s.Create(); err == nil {
		t.Error("a draft is begun")
	}
	if s.Free(0) == nil {
		t.Error("there is room")
	}
}

// A flush that finds only deleted keys is no failure, whatever pebble calls it.
func TestFlushOfNothingIsNoFailure(t *testing.T) {
	t.Parallel()
	s := open(t, vfs.NewMem(), nil)
	e := entry(t, s, 10, 1)
	if err := s.Apply(t.Context(), queue.Change{Add: []queue.Entry{e}}); err != nil {
		t.Fatal(err)
	}
	if err := s.Apply(t.Context(), queue.Change{Done: e.Rows}); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if err := s.db.Flush(); err != nil {
			t.Fatal(err)
		}
		if err := s.db.LogData(nil, nil); err != nil {
			t.Fatal(err)
		}
	}
	if s.Err() != nil {
		t.Error(s.Err())
	}
}
