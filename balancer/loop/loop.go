// SPDX-License-Identifier: MIT

//go:build linux

package loop

import (
	"math"
	"os"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

const (
	never      = time.Duration(math.MaxInt64)
	retryEvery = 250 * time.Millisecond // when descriptors are scarce
	batch      = 256                    // events a wake-up
)

// loop is one thread of the engine. Only its own goroutine touches what is not atomic or behind mu.
type loop struct {
	e      *Engine
	ep     int
	wake   int // an eventfd: there are commands
	timer  int // a timerfd, set to armed
	armed  time.Duration
	file   *os.File // ep, for Go's poller
	sleep  syscall.RawConn
	now    time.Duration // since the engine's start, taken once a wake-up
	next   time.Duration // when a list is to be looked at
	over   bool
	gen    uint32
	events [batch]unix.EpollEvent
	buf    []byte
	addr   unix.RawSockaddrAny

	ends    []*end // by descriptor
	doors   map[int32]*entrance
	lists   map[*Front]*lists
	ready   []*session // more could be moved at once
	spare   []*session // the other half of ready
	starved []*session
	pool    []*pipe
	noPipes time.Duration // the kernel gave none; ask again then
	paused  bool          // the doors are not listened at

	mu       sync.Mutex
	commands []func()
	closed   bool

	sessions, established, accepted, pending, pipesUsed, spliced atomic.Int64
}

func newLoop(e *Engine) (*loop, error) {
	l := &loop{e: e, ep: -1, wake: -1, timer: -1, next: never, armed: never, buf: make([]byte, bufferSize), doors: map[int32]*entrance{}, lists: map[*Front]*lists{}}
	if err := l.descriptors(); err != nil {
		l.closeOwn()
		return nil, err
	}
	return l, nil
}

func (l *loop) descriptors() (err error) {
	if l.ep, err = unix.EpollCreate1(unix.EPOLL_CLOEXEC); err != nil {
		return os.NewSyscallError("epoll_create", err)
	}
	if l.wake, err = unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK); err != nil {
		return os.NewSyscallError("eventfd", err)
	}
	if l.timer, err = unix.TimerfdCreate(unix.CLOCK_MONOTONIC, unix.TFD_CLOEXEC|unix.TFD_NONBLOCK); err != nil {
		return os.NewSyscallError("timerfd_create", err)
	}
	for _, fd := range []int{l.wake, l.timer} {
		ev := unix.EpollEvent{Events: unix.EPOLLIN | unix.EPOLLET&math.MaxUint32, Fd: int32(fd)}
		if err := epollControl(l.ep, unix.EPOLL_CTL_ADD, fd, &ev); err != 0 {
			return os.NewSyscallError("epoll_ctl", err)
		}
	}
	if err := unix.SetNonblock(l.ep, true); err != nil {
		return os.NewSyscallError("set non-blocking", err)
	}
	l.file = os.NewFile(uintptr(l.ep), "epoll")
	l.sleep, err = l.file.SyscallConn()
	return err
}

func (l *loop) closeOwn() {
	for _, fd := range []int{l.wake, l.timer} {
		if fd >= 0 {
			unix.Close(fd)
		}
	}
	if l.file != nil {
		l.file.Close()
	} else if l.ep >= 0 {
		unix.Close(l.ep)
	}
}

func (l *loop) run() {
	defer l.e.loops.Done()
	for !l.over {
		n := l.wait()
		l.now = time.Since(l.e.start)
		for i := range n {
			l.dispatch(&l.events[i])
		}
		l.turn()
		l.expire()
	}
	for _, p := range l.pool {
		p.close()
	}
	l.closeOwn()
}

// wait sleeps until something happens, as a goroutine that waits for a file: the epoll descriptor is readable when it has
// events. A thread that slept in epoll_wait itself would cost more, since Go's monitor looks every 20 microseconds whether a
// thread in a system call should lose its processor.
func (l *loop) wait() (n int) {
	l.arm()
	if len(l.ready) > 0 {
		return l.poll()
	}
	err := l.sleep.Read(func(uintptr) bool {
		n = l.poll()
		return n > 0
	})
	if err != nil {
		l.over = true
	}
	return n
}

// arm has the timer wake the loop when a list is to be looked at.
func (l *loop) arm() {
	if l.next == l.armed {
		return
	}
	l.armed = l.next
	var at unix.ItimerSpec
	if l.next != never {
		at.Value = unix.NsecToTimespec(int64(max(l.next-time.Since(l.e.start), 1)))
	}
	_ = unix.TimerfdSettime(l.timer, 0, &at, nil)
}

// poll does not wait.
func (l *loop) poll() int {
	n, _, err := unix.RawSyscall6(unix.SYS_EPOLL_PWAIT, uintptr(l.ep), uintptr(unsafe.Pointer(&l.events[0])), batch, 0, 0, 0)
	if err != 0 {
		return 0
	}
	return int(n)
}

// dispatch finds whose event it is. Generation 0 is a door or the eventfd.
func (l *loop) dispatch(ev *unix.EpollEvent) {
	gen := uint32(ev.Pad)
	switch {
	case gen != 0:
		if e := l.ends[ev.Fd]; e != nil && e.gen == gen {
			l.event(e, ev.Events)
		}
	case ev.Fd == int32(l.wake):
		l.obey()
	case ev.Fd == int32(l.timer):
		l.armed = never // it has rung; expire looks
	default:
		if d := l.doors[ev.Fd]; d != nil {
			l.accept(d)
		}
	}
}

// watch registers a socket, once and for all that can happen to it.
func (l *loop) watch(e *end) unix.Errno {
	if l.gen++; l.gen == 0 {
		l.gen = 1
	}
	e.gen = l.gen
	ev := unix.EpollEvent{
		Events: unix.EPOLLIN | unix.EPOLLOUT | unix.EPOLLRDHUP | unix.EPOLLPRI | unix.EPOLLET&math.MaxUint32,
		Fd:     e.fd, Pad: int32(e.gen),
	}
	if err := epollControl(l.ep, unix.EPOLL_CTL_ADD, int(e.fd), &ev); err != 0 {
		return err
	}
	for int(e.fd) >= len(l.ends) {
		l.ends = append(l.ends, make([]*end, max(len(l.ends), 64))...)
	}
	l.ends[e.fd] = e
	return 0
}

// forget makes events that are still on their way stale.
func (l *loop) forget(e *end) {
	if int(e.fd) < len(l.ends) && l.ends[e.fd] == e {
		l.ends[e.fd] = nil
	}
}

// turn gives each session that could go on its next turn.
func (l *loop) turn() {
	if len(l.ready) == 0 {
		return
	}
	now := l.ready
	l.ready = l.spare[:0]
	for i, s := range now {
		now[i] = nil
		s.queued = false
		if s.state == established {
			l.pump(s)
		}
	}
	l.spare = now
}

// do has f called in the loop, soon. False: the loop has ended.
func (l *loop) do(f func()) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return false
	}
	l.queue(f)
	return true
}

func (l *loop) queue(f func()) {
	l.commands = append(l.commands, f)
	if len(l.commands) == 1 {
		one := [8]byte{1}
		unix.Write(l.wake, one[:])
	}
}

// quit has the loop end after what it was told before; nothing comes behind it in the queue.
func (l *loop) quit() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.closed {
		l.closed = true
		l.queue(func() { l.over = true })
	}
}

// call is do, and waits until f has returned.
func (l *loop) call(f func()) bool {
	done := make(chan struct{})
	if !l.do(func() { defer close(done); f() }) {
		return false
	}
	<-done
	return true
}

func (l *loop) obey() {
	var b [8]byte
	unix.Read(l.wake, b[:])
	l.mu.Lock()
	todo := l.commands
	l.commands = nil
	l.mu.Unlock()
	for _, f := range todo {
		f()
	}
}

func stack() string { return string(debug.Stack()) }
