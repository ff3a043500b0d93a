// SPDX-License-Identifier: MIT

package greylist

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"posthouse/internal/durable"
)

func write(t testing.TB, file string, data []byte) {
	t.Helper()
	if err := os.WriteFile(file, data, 0o600); err != nil {
		t.Fatal(err)
	}
}

func read(t testing.TB, dir string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(dir, "triplets"))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// filled has a client, a passed triplet and a pending one, all on disk.
func filled(t testing.TB, dir string, c *clock) *List {
	l := open(t, dir, defaults(), c.options())
	for range 2 {
		try(t, l.Check, "192.0.2.1 a@a.test u@u.test")
		l.save()
		c.pass(5 * time.Minute)
	}
	try(t, l.Check, "192.0.2.1 b@a.test u@u.test")
	l.save()
	return l
}

// What was saved is there after a kill -9: nothing is said to the first List.
func TestRestart(t *testing.T) {
	t.Parallel()
	c, dir := newClock(), t.TempDir()
	first := filled(t, dir, c)
	try(t, first.Check, "192.0.2.1 lost@a.test u@u.test") // in the last second
	c.pass(time.Hour)
	l := open(t, dir, defaults(), c.options())
	if l.Stats() != (Stats{1, 1, 1}) {
		t.Errorf("%+v", l.Stats())
	}
	for attempt, want := range map[string]string{
		"192.0.2.1 a@a.test u@u.test": "known", "192.0.2.1 b@a.test u@u.test": "waited", "192.0.2.1 lost@a.test u@u.test": "new 5m",
	} {
		if got := try(t, l.Check, attempt); got != want {
			t.Errorf("%s: %s, want %s", attempt, got, want)
		}
	}
	if info, err := os.Stat(filepath.Join(dir, "triplets")); err != nil || info.Mode() != 0o600 {
		t.Error(info.Mode(), err)
	}
	if bytes.Contains(read(t, dir), []byte("test")) {
		t.Error("an address stands in the file")
	}
}

// Wherever a file ends or is damaged, the whole records count and the rest is dropped and logged.
func TestTornAndDamaged(t *testing.T) {
	t.Parallel()
	c, dir := newClock(), t.TempDir()
	filled(t, dir, c).Close()
	whole := read(t, dir)
	records := (len(whole) - len(head())) / recordSize
	if records < 3 {
		t.Fatalf("%d records", records)
	}
	check := func(name string, data []byte, wantRecords int, wantLog bool) {
		t.Helper()
		got, _, err := parse(bytes.NewReader(data))
		if err != nil || len(got) != wantRecords {
			t.Errorf("%s: %d records, want %d; %v", name, len(got), wantRecords, err)
		}
		var log bytes.Buffer
		dir := t.TempDir()
		write(t, filepath.Join(dir, "triplets"), data)
		o := c.options()
		o.Log = slog.New(slog.NewTextHandler(&log, nil))
		l := open(t, dir, defaults(), o)
		if strings.Contains(log.String(), "damaged records") != wantLog {
			t.Errorf("%s: logged %q", name, log.String())
		}
		try(t, l.Check, "192.0.2.9 new@a.test u@u.test")
		l.Close()
		if _, damaged, err := parse(bytes.NewReader(read(t, dir))); damaged > 0 || err != nil {
			t.Errorf("%s: the file is still damaged: %d, %v", name, damaged, err)
		}
	}
	for n := len(head()); n <= len(whole); n++ {
		tail := (n - len(head())) % recordSize
		check(fmt.Sprintf("cut at %d", n), whole[:n], (n-len(head()))/recordSize, tail > 0)
	}
	for n := len(head()); n < len(whole); n += 7 {
		damaged := bytes.Clone(whole)
		damaged[n] ^= 0x40
		check(fmt.Sprintf("octet %d", n), damaged, records-1, true)
	}
	check("zeros behind it", append(bytes.Clone(whole), make([]byte, 3*recordSize+9)...), records, true)
}

func TestForeignFiles(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"posthouse greylist 2\n":     "newer posthouse (format 2, this one reads 1)",
		"posthouse greylist 0\n":     "is not a greylist",
		"posthouse greylist x\n":     "is not a greylist",
		"something else":             "is not a greylist",
		strings.Repeat("x", 100_000): "is not a greylist",
	} {
		dir := t.TempDir()
		file := filepath.Join(dir, "triplets")
		write(t, file, []byte(text))
		if _, err := Open(dir, defaults(), Options{}); err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), file) {
			t.Errorf("%.30q: %v, want %q", text, err, want)
		}
		if got := read(t, dir); string(got) != text {
			t.Errorf("%.30q: the file was changed", text)
		}
	}
	dir := t.TempDir()
	write(t, filepath.Join(dir, "triplets"), nil)
	open(t, dir, defaults(), Options{})
}

// The file does not grow with the number of changes.
func TestRewrite(t *testing.T) {
	t.Parallel()
	c, dir := newClock(), t.TempDir()
	l := open(t, dir, defaults(), c.options())
	const triplets, saves = 50, history/50 + 100
	var largest int
	for range saves {
		for n := range triplets {
			try(t, l.Check, fmt.Sprintf("192.0.2.1 a@a.test u%s@u.test", strconv.FormatInt(int64(n), 36)))
		}
		c.pass(time.Second)
		l.flushQuick(t)
		largest = max(largest, l.file.records)
	}
	if most := history + 4*triplets; largest < history || largest > most || l.file.records > saves*triplets-history {
		t.Errorf("%d records at most, now %d", largest, l.file.records)
	}
	l.Close()
	if got, damaged, err := parse(bytes.NewReader(read(t, dir))); len(got) > saves*triplets-history || damaged > 0 || err != nil {
		t.Error(len(got), damaged, err)
	}
}

// flushQuick is save without a sync for each of ten thousand.
func (l *List) flushQuick(t *testing.T) {
	l.file.fs = quick{durable.OS}
	l.save()
	if l.file.failing {
		t.Fatal("cannot write")
	}
}

type quick struct{ durable.FS }

func (q quick) Create(path string, perm fs.FileMode) (durable.File, error) {
	f, err := q.FS.Create(path, perm)
	return unsynced{f}, err
}

type unsynced struct{ durable.File }

func (unsynced) Sync() error { return nil }

var errInjected = errors.New("injected")

// flaky fails one operation after the other, by number; a write that fails is half done.
type flaky struct {
	durable.FS
	n, fail int
}

func (f *flaky) step() error {
	if f.n++; f.n == f.fail {
		return errInjected
	}
	return nil
}

func (f *flaky) Create(path string, perm fs.FileMode) (durable.File, error) {
	if err := f.step(); err != nil {
		return nil, err
	}
	file, err := f.FS.Create(path, perm)
	return &flakyFile{file, f}, err
}

func (f *flaky) Rename(from, to string) error {
	if err := f.step(); err != nil {
		return err
	}
	return f.FS.Rename(from, to)
}

func (f *flaky) SyncDir(path string) error {
	if err := f.step(); err != nil {
		return err
	}
	return f.FS.SyncDir(path)
}

type flakyFile struct {
	durable.File
	f *flaky
}

func (f *flakyFile) Write(b []byte) (int, error) {
	if err := f.f.step(); err != nil {
		n, _ := f.File.Write(b[:len(b)/2])
		return n, err
	}
	return f.File.Write(b)
}

func (f *flakyFile) Sync() error {
	if err := f.f.step(); err != nil {
		return err
	}
	return f.File.Sync()
}

// Whichever step on the disk fails once, it is logged, mail goes on, and the next second all is on disk.
func TestEachStepFails(t *testing.T) {
	t.Parallel()
	for fail := 1; ; fail++ {
		c, dir := newClock(), t.TempDir()
		f := &flaky{FS: durable.OS}
		var log bytes.Buffer
		o := c.options()
		o.FS, o.Log = f, slog.New(slog.NewTextHandler(&log, nil))
		l := open(t, dir, defaults(), o)
		l.file.close() // so that both kinds of writing have their turn
		f.n, f.fail = 0, fail
		for i := range 4 {
			if got := try(t, l.Check, fmt.Sprintf("192.0.2.1 s%d@a.test u@u.test", i)); got != "new 5m" {
				t.Fatal(got)
			}
			l.save()
		}
		if f.n < fail {
			if f.n != 11 { // create, write, sync, rename, sync of the directory; three times write and sync
				t.Errorf("%d steps", f.n)
			}
			return
		}
		if got := strings.Count(log.String(), "cannot be written"); got != 1 || strings.Count(log.String(), "written again") != 1 {
			if fail < f.n-1 { // the last save has no next second
				t.Errorf("step %d: logged %s", fail, log.String())
			}
		}
		l.save()
		again := open(t, dir, defaults(), c.options())
		if again.Stats() != l.Stats() || again.Stats().Pending != 4 {
			t.Errorf("step %d: %+v, restarted %+v", fail, l.Stats(), again.Stats())
		}
	}
}

// A disk that hangs does not fill the memory with what it is owed.
func TestOwedIsBounded(t *testing.T) {
	t.Parallel()
	conf := defaults()
	conf.MaxEntries = 1000
	c, dir := newClock(), t.TempDir()
	l := open(t, dir, conf, c.options())
	for n := range 5000 {
		try(t, l.Check, fmt.Sprintf("198.51.%d.1 s%c@a.test u@u.test", n%200, 'a'+n/200))
		if len(l.dirty) > 1000 {
			t.Fatal(len(l.dirty))
		}
	}
	l.save()
	if again := open(t, dir, conf, c.options()); again.Stats() != l.Stats() || again.Stats().Pending != 1000 {
		t.Errorf("%+v", again.Stats())
	}
}

func TestFewerEntriesThanBefore(t *testing.T) {
	t.Parallel()
	c, dir := newClock(), t.TempDir()
	l := open(t, dir, defaults(), c.options())
	for n := range 1500 {
		try(t, l.Check, fmt.Sprintf("198.51.%d.1 s%c@a.test u@u.test", n%200, 'a'+n/200))
		c.pass(time.Millisecond)
	}
	l.Close()
	conf := defaults()
	conf.MaxEntries = 1000
	l = open(t, dir, conf, c.options())
	if got := l.Stats().Pending; got != 1000 {
		t.Error(got)
	}
	if got := try(t, l.Peek, "198.51.0.1 sa@a.test u@u.test"); got != "new 5m" {
		t.Error("the oldest stayed", got)
	}
}

// Run saves every second by itself, while others ask.
func TestRun(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		l, err := Open(dir, defaults(), Options{})
		if err != nil {
			t.Fatal(err)
		}
		var all sync.WaitGroup
		all.Go(func() { l.Run(t.Context()) })
		for i := range 4 {
			all.Go(func() {
				for j := range 50 {
					try(t, l.Check, fmt.Sprintf("192.0.%d.1 a@a.test u%d@u.test", i, j))
					time.Sleep(100 * time.Millisecond)
				}
			})
		}
		time.Sleep(7 * time.Second)
		records, _, err := parse(bytes.NewReader(read(t, dir)))
		if err != nil || len(records) != 200 {
			t.Errorf("%d records, %v", len(records), err)
		}
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
}

func FuzzFile(f *testing.F) {
	dir := f.TempDir()
	filled(f, dir, newClock()).Close()
	whole := read(f, dir)
	f.Add(whole)
	f.Add(whole[:len(whole)-3])
	f.Add([]byte("posthouse greylist 1\n"))
	f.Add([]byte("posthouse greylist 9\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		records, damaged, err := parse(bytes.NewReader(data))
		if err != nil {
			return
		}
		again := head()
		for _, r := range records {
			again = r.append(again)
		}
		if len(again) > len(data)+recordSize || damaged > len(data)/recordSize+1 {
			t.Fatalf("%d records, %d damaged of %d octets", len(records), damaged, len(data))
		}
		if second, n, err := parse(bytes.NewReader(again)); err != nil || n > 0 || len(second) != len(records) {
			t.Fatalf("written again: %d of %d, %d damaged, %v", len(second), len(records), n, err)
		}
	})
}
