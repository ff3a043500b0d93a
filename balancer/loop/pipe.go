// SPDX-License-Identifier: MIT

//go:build linux

package loop

import "golang.org/x/sys/unix"

// pipe carries the bytes of one direction inside the kernel. Empty ones are pooled.
type pipe struct {
	r, w int32
	held int // bytes in it
}

// pipeSize is asked of F_SETPIPE_SZ.
const pipeSize = 256 << 10

// leastPipe is the smallest pipe worth having. Past fs.pipe-user-pages-soft the kernel gives a plain user one page.
const leastPipe = 64 << 10

// pipe is an empty one, or nil when there may be no more.
func (l *loop) pipe() *pipe {
	if n := len(l.pool); n > 0 {
		p := l.pool[n-1]
		l.pool = l.pool[:n-1]
		l.pipesUsed.Add(1)
		return p
	}
	if l.e.pipes.Add(1) > int64(l.e.o.MaxPipes) || l.now < l.noPipes {
		l.e.pipes.Add(-1)
		return nil
	}
	p := newPipe()
	if p == nil {
		l.e.pipes.Add(-1)
		l.noPipes = l.now + retryEvery
		return nil
	}
	l.pipesUsed.Add(1)
	return p
}

func newPipe() *pipe {
	var fds [2]int
	if err := unix.Pipe2(fds[:], unix.O_CLOEXEC|unix.O_NONBLOCK); err != nil {
		return nil
	}
	p := &pipe{r: int32(fds[0]), w: int32(fds[1])}
	if _, err := unix.FcntlInt(uintptr(p.w), unix.F_SETPIPE_SZ, pipeSize); err == nil {
		return p
	}
	if n, err := unix.FcntlInt(uintptr(p.w), unix.F_GETPIPE_SZ, 0); err != nil || n < leastPipe {
		p.close()
		return nil
	}
	return p
}

func (p *pipe) close() {
	closeFD(p.r)
	closeFD(p.w)
}

// release takes a pipe back. One that holds bytes of a dead session is closed.
func (l *loop) release(p *pipe) {
	l.pipesUsed.Add(-1)
	if p.held > 0 {
		p.close()
		l.e.pipes.Add(-1)
		return
	}
	l.pool = append(l.pool, p)
}

// drain takes the bytes out of a pipe.
func (p *pipe) drain() []byte {
	b := make([]byte, p.held)
	got := 0
	for got < len(b) {
		n, err := unix.Read(int(p.r), b[got:])
		if err != nil || n == 0 {
			break
		}
		got += n
	}
	p.held -= got
	return b[:got]
}
