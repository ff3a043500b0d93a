// SPDX-License-Identifier: MIT

//go:build interop

package test

import (
	"errors"
	"fmt"
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
	down := maillab.NewSink(t, maillab.SinkOptions{KeepNoBody: true, Script: maillab.On("BANNER", maillab.Action{Reply: "421 4.3.2 Not now", Close: true})})
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

// Another program takes the last byte of the disk, past every check made ahead: no 250 is said that does not hold.
func TestDiskFilledByOthers(t *testing.T) {
	t.Parallel()
	down := maillab.NewSink(t, maillab.SinkOptions{KeepNoBody: true, Script: maillab.On("BANNER", maillab.Action{Reply: "421 4.3.2 Not now", Close: true})})
	dir := tmpfs(t, "300m")
	r := newRelay(t, dir, down.Addr(), "  queue_minfree: 1KiB\n")
	r.start(t)
	answered := []string{}
	for n := range 20 {
		id := fmt.Sprintf("%d@before.test", n)
		if err := deliver(r.address, "a@disk.test", "b@sink.test", letter(id, "a@disk.test", "b@sink.test", body(n))); err != nil {
			t.Fatal(err)
		}
		answered = append(answered, id)
	}
	hog := filepath.Join(dir, "hog")
	takeAll(t, hog)
	more, refusal := fill(t, r, 4<<10)
	t.Logf("%d more were taken before %v", len(more), refusal)
	r.Kill()
	if err := os.Remove(hog); err != nil {
		t.Fatal(err)
	}
	down.Behave(nil)
	r.start(t)
	waitAllTaken(t, down, append(answered, more...))
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
