// SPDX-License-Identifier: MIT

//go:build interop

package test

import (
	"errors"
	"fmt"
	"io"
	"net/textproto"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"posthouse/internal/maillab"
)

// tmpfs mounts a small file system, which only root may do.
func tmpfs(t *testing.T, size string) string {
	t.Helper()
	dir := filepath.Join(room(t), "disk")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size="+size+",mode=755"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { syscall.Unmount(dir, syscall.MNT_DETACH) })
	return dir
}

// fill sends messages to a relay until one is refused, and returns those that were answered 250, and the refusal.
func fill(t *testing.T, r *relay, size int) (answered []string, refusal error) {
	t.Helper()
	for n := range 2000 {
		id := fmt.Sprintf("%d.%d@disk.test", size, n)
		err := deliver(r.address, "a@disk.test", "b@sink.test", letter(id, "a@disk.test", "b@sink.test", strings.Repeat("0123456789\n", size/11)))
		if err != nil {
			return answered, err
		}
		answered = append(answered, id)
	}
	t.Fatal("the disk was never full")
	return nil, nil
}

// A full disk is noticed before it is full: MAIL is answered 452 4.3.1, nothing that was answered 250 is lost, and mail is
// taken again when the queue has drained.
func TestDiskFull(t *testing.T) {
	t.Parallel()
	down := maillab.NewSink(t, maillab.SinkOptions{KeepNoBody: true, Script: notNow()})
	r := newRelay(t, tmpfs(t, "260m"), down.Addr(), "")
	r.start(t)
	answered, refusal := fill(t, r, 1<<20)
	var reply *textproto.Error
	if !errors.As(refusal, &reply) || reply.Code != 452 || !strings.HasPrefix(reply.Msg, "4.3.1") {
		t.Errorf("a full disk is answered %v, want 452 4.3.1", refusal)
	}
	r.Kill()
	r.start(t)
	down.Behave(nil)
	r.command(t, "queue", "retry", "--all")
	waitAllTaken(t, down, answered)
	maillab.Wait(t, maillab.Patience, "mail taken again", func() bool {
		return deliver(r.address, "a@disk.test", "b@sink.test", letter("after@disk.test", "a@disk.test", "b@sink.test", "x")) == nil
	})
	waitAllTaken(t, down, []string{"after@disk.test"})
}

// A disk that fills up under load and kills: nothing of what was answered 250 is lost, and a full queue starts again.
func TestNothingLostWhenKilledOnFullDisk(t *testing.T) {
	t.Parallel()
	sink := maillab.NewSink(t, maillab.SinkOptions{KeepNoBody: true, Script: notNow()})
	dir := tmpfs(t, "300m")
	r := newRelay(t, dir, sink.Addr(), "  queue_minfree: 75MiB\n")
	r.start(t)
	leave(t, dir, 85<<20) // ten above queue_minfree: full after a few kills
	r.Kill()
	answered := underFire(t, r)
	more, refusal := fill(t, r, 64<<10)
	var reply *textproto.Error
	if !errors.As(refusal, &reply) || reply.Code != 452 {
		t.Errorf("a full disk is answered %v, want 452", refusal)
	}
	if len(more) > 200 {
		t.Errorf("%d more messages of 64 KiB were taken: the disk was not full", len(more))
	}
	sink.Behave(nil)
	if got := r.command(t, "queue", "retry", "--all"); got.code != 0 {
		t.Fatalf("queue retry: %s", got.err)
	}
	waitAllTaken(t, sink, append(answered, more...))
	t.Logf("%d kills, %d messages answered 250 until the disk was full", rounds, len(answered)+len(more))
}

// leave fills a disk until so many octets are free.
func leave(t *testing.T, dir string, free uint64) {
	t.Helper()
	var s syscall.Statfs_t
	if err := syscall.Statfs(dir, &s); err != nil {
		t.Fatal(err)
	}
	if now := s.Bavail * uint64(s.Bsize); now > free {
		if err := os.WriteFile(filepath.Join(dir, "others"), make([]byte, now-free), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// Another program takes the last byte of the disk while messages are on their way in, past the check at MAIL: no 250 is said
// that does not hold.
func TestDiskFilledByOthers(t *testing.T) {
	t.Parallel()
	down := maillab.NewSink(t, maillab.SinkOptions{KeepNoBody: true, Script: notNow()})
	dir := tmpfs(t, "1200m") // each open transfer keeps message_size_limit free
	r := newRelay(t, dir, down.Addr(), "")
	r.start(t)
	open := make([]*transfer, 10)
	for n := range open {
		open[n] = begin(t, r, fmt.Sprintf("%d@hog.test", n))
	}
	hog := filepath.Join(dir, "hog")
	takeAll(t, hog)
	var answered []string
	for n, o := range open {
		if err := o.finish(body(n * 19 % 40)); err == nil {
			answered = append(answered, o.id)
		} else if errors.As(err, new(*textproto.Error)) && err.Error()[0] != '4' {
			t.Errorf("a full disk is answered %v, want a temporary error", err)
		}
	}
	t.Logf("%d of %d were taken on the full disk", len(answered), len(open))
	r.Kill()
	if err := os.Remove(hog); err != nil {
		t.Fatal(err)
	}
	down.Behave(nil)
	r.start(t)
	waitAllTaken(t, down, answered)
}

// transfer is a message between DATA and the dot.
type transfer struct {
	c  client
	w  io.WriteCloser
	id string
}

// begin opens a transfer and sends its header.
func begin(t *testing.T, r *relay, id string) *transfer {
	t.Helper()
	c, err := dial(r.address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	if err := errors.Join(c.Mail("a@disk.test"), c.Rcpt("b@sink.test")); err != nil {
		t.Fatal(err)
	}
	w, err := c.Data()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(w, letter(id, "a@disk.test", "b@sink.test", "")); err != nil {
		t.Fatal(err)
	}
	return &transfer{c, w, id}
}

// finish sends the body and the dot; nil is the 250.
func (t *transfer) finish(body string) error {
	if _, err := io.WriteString(t.w, body); err != nil {
		return err
	}
	return t.w.Close()
}

// takeAll writes a file until the disk is full.
func takeAll(t *testing.T, name string) {
	t.Helper()
	f, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	block := make([]byte, 64<<10)
	for {
		if _, err := f.Write(block); errors.Is(err, syscall.ENOSPC) {
			if len(block) == 1 {
				return
			}
			block = block[:len(block)/2]
		} else if err != nil {
			t.Fatal(err)
		}
	}
}
