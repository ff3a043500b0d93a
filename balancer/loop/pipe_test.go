// SPDX-License-Identifier: MIT

//go:build linux

package loop

import (
	"bytes"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// still is a loop that does not run, and a session in it whose server's side is fd.
func still(t *testing.T, fd int) (*loop, *session) {
	t.Helper()
	e := &Engine{o: Options{MaxPipes: 4, MaxSessions: 4}, start: time.Now(), remarks: make(chan remark, 8)}
	l, err := newLoop(e)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.closeOwn)
	s := newSession(l, l.listsOf(&Front{}), -1)
	s.server.fd, s.server.writable = int32(fd), true
	return l, s
}

// TestNoSpliceOut: what a pipe holds for a receiver that splice(2) cannot serve is kept, and copied from then on.
func TestNoSpliceOut(t *testing.T) {
	t.Parallel()
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC) // EINVAL
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(fd) })
	l, s := still(t, fd)
	p := l.pipe()
	text := bytes.Repeat([]byte("0123456789abcdef"), 1<<16)
	if p.held, err = unix.Write(int(p.w), text); err != nil || p.held < defaultCap {
		t.Fatal(p.held, err)
	}
	text = text[:p.held]
	s.up.pipe, s.up.bulk = p, true
	l.pipeOut(&s.up)
	if f := &s.up; f.pipe != nil || !f.copyOnly || f.bulk || !bytes.Equal(f.pend, text) || l.pending.Load() != int64(len(text)) {
		t.Errorf("pipe %v, copyOnly %v, bulk %v, %d bytes kept of %d", f.pipe, f.copyOnly, f.bulk, len(f.pend), len(text))
	}
	if len(l.pool) != 1 || l.pipesUsed.Load() != 0 {
		t.Errorf("%d pipes in the pool, %d in use", len(l.pool), l.pipesUsed.Load())
	}
	l.pool[0].close()
}

// TestPipesRunOut: without a pipe there is none, until one is given back; one that is not empty is closed, not given to others.
func TestPipesRunOut(t *testing.T) {
	t.Parallel()
	l, _ := still(t, -1)
	var all []*pipe
	for p := l.pipe(); p != nil; p = l.pipe() {
		all = append(all, p)
	}
	if len(all) != 4 {
		t.Fatalf("%d pipes", len(all))
	}
	all[0].held = 1
	l.release(all[0])
	if p := l.pipe(); p == nil || p == all[0] {
		t.Errorf("got %v", p)
	} else {
		all[0] = p
	}
	for _, p := range all {
		l.release(p)
	}
	if len(l.pool) != 4 || l.pipesUsed.Load() != 0 || l.e.pipes.Load() != 4 {
		t.Errorf("%d in the pool, %d in use, %d open", len(l.pool), l.pipesUsed.Load(), l.e.pipes.Load())
	}
	for _, p := range l.pool {
		p.close()
	}
}

// TestStaleEvent: what is still on its way for a descriptor that was closed does not reach the session that has its number now.
func TestStaleEvent(t *testing.T) {
	t.Parallel()
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(pair[0]); unix.Close(pair[1]) })
	l, s := still(t, pair[0])
	if err := l.watch(&s.server); err != 0 {
		t.Fatal(err)
	}
	old := unix.EpollEvent{Events: unix.EPOLLIN | unix.EPOLLHUP | unix.EPOLLERR, Fd: s.server.fd, Pad: int32(s.server.gen)}
	epollControl(l.ep, unix.EPOLL_CTL_DEL, pair[0], &unix.EpollEvent{})
	l.forget(&s.server)
	l.dispatch(&old) // to nobody
	next := newSession(l, s.lists, int32(pair[0]))
	if err := l.watch(&next.client); err != 0 {
		t.Fatal(err)
	}
	l.dispatch(&old)
	if next.state != inHeader || next.client.readable {
		t.Errorf("state %d, readable %v", next.state, next.client.readable)
	}
}
