// SPDX-License-Identifier: MIT

package pebbledb

import (
	"context"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"posthouse/queue"
	"posthouse/queue/queuetest"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
)

// memDisk is a disk in memory whose power can be cut.
type memDisk struct {
	mem     *vfs.MemFS
	fs      vfs.FS // mem, as the store sees it
	onWrite atomic.Pointer[func()]
}

// newMemDisk swallows the syncs of what forget names (nil: none).
func newMemDisk(mem *vfs.MemFS, forget func(name string) bool) *memDisk {
	d := &memDisk{mem: mem}
	d.fs = errorfs.Wrap(mem, errorfs.InjectorFunc(func(op errorfs.Op) error {
		if f := d.onWrite.Load(); f != nil && op.Kind.ReadOrWrite() == errorfs.OpIsWrite {
			(*f)()
		}
		return nil
	}))
	if forget != nil {
		d.fs = &forgetful{d.fs, forget}
	}
	return d
}

func (d *memDisk) Open() (queue.Store, error) {
	return Open("/q", Options{FS: d.fs, Threshold: queuetest.Large, MemTable: 256 << 10, Cache: 1 << 20, Ballast: -1})
}

func (d *memDisk) OnWrite(f func()) { d.onWrite.Store(&f) }

func (d *memDisk) Cut(keep int, rng *rand.Rand) queuetest.Disk {
	return newMemDisk(d.mem.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: keep, RNG: rng}), nil)
}

// forgetful is a disk that says it has synced.
type forgetful struct {
	vfs.FS
	forget func(name string) bool
}

type forgetfulFile struct{ vfs.File }

func (forgetfulFile) Sync() error                { return nil }
func (forgetfulFile) SyncData() error            { return nil }
func (forgetfulFile) SyncTo(int64) (bool, error) { return false, nil }

func (f *forgetful) wrap(name string, file vfs.File, err error) (vfs.File, error) {
	if err == nil && f.forget(name) {
		return forgetfulFile{file}, nil
	}
	return file, err
}

func (f *forgetful) Create(name string, c vfs.DiskWriteCategory) (vfs.File, error) {
	file, err := f.FS.Create(name, c)
	return f.wrap(name, file, err)
}

func (f *forgetful) ReuseForWrite(from, to string, c vfs.DiskWriteCategory) (vfs.File, error) {
	file, err := f.FS.ReuseForWrite(from, to, c)
	return f.wrap(to, file, err)
}

func (f *forgetful) OpenDir(name string) (vfs.File, error) {
	file, err := f.FS.OpenDir(name)
	return f.wrap(name, file, err)
}

func (f *forgetful) Unwrap() vfs.FS { return f.FS }

func TestStoreConforms(t *testing.T) {
	t.Parallel()
	queuetest.Run(t, func(t *testing.T) queuetest.Disk { return newMemDisk(vfs.NewCrashableMem(), nil) })
}

// The power is cut at 1,000 random moments (powerLosses), between any two writes.
func TestNothingIsLostWithThePower(t *testing.T) {
	t.Parallel()
	const runs, cuts = 20, powerLosses / 20
	for seed := range uint64(runs) {
		t.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) {
			t.Parallel()
			p := queuetest.Power{Seed: seed, Cuts: cuts, Keep: -1, Workers: 1 + int(seed)%4}
			if err := p.Run(t.Context(), newMemDisk(vfs.NewCrashableMem(), nil)); err != nil {
				t.Error(err)
			}
		})
	}
}

// The test above is worth something: without any one of the syncs it fails.
func TestEverySyncIsNeeded(t *testing.T) {
	t.Parallel()
	kinds := map[string]func(name string) bool{
		"of the log":               func(n string) bool { return strings.HasSuffix(n, ".log") },
		"of body files":            func(n string) bool { return isBodyName(filepath.Base(n)) },
		"of the bodies' directory": func(n string) bool { return n == "/q/bodies" },
		"of the store's directory": func(n string) bool { return n == "/q" },
		"of its parent":            func(n string) bool { return n == "/" },
	}
	for name, forget := range kinds {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if !loses(t.Context(), forget) {
				t.Error("nothing was lost without it")
			}
		})
	}
}

func loses(ctx context.Context, forget func(string) bool) bool {
	for seed := range uint64(10) {
		p := queuetest.Power{Seed: seed, Cuts: 30, Workers: 2}
		if p.Run(ctx, newMemDisk(vfs.NewCrashableMem(), forget)) != nil {
			return true
		}
	}
	return false
}
