// SPDX-License-Identifier: MIT

//go:build linux

package loop

import "golang.org/x/sys/unix"

// pipe carries the bytes of one direction inside the kernel. Empty ones are pooled.
type pipe struct {
	r, w int32
	size int // the most it may hold; less where the pieces are small
	held int // bytes in it
}

// Each call moves at most what a pipe holds: with 1 MiB bulk costs about 0.6 of the CPU that it costs with 64 KiB. All pipes
// of a plain user may have 64 MiB together (fs.pipe-user-pages-soft), so the later ones are smaller.
const (
	wide       = 1 << 20
	widePipes  = 32
	narrow     = 256 << 10
	maxPipes   = 128
	defaultCap = 64 << 10
)

// pipe is an empty one, or nil when there may be no more.
func (l *loop) pipe() *pipe {
	if n := len(l.pool); n > 0 {
		p := l.pool[n-1]
		l.pool = l.pool[:n-1]
		l.pipesUsed.Add(1)
		return p
	}
	n := l.e.pipes.Add(1)
	if n > int64(l.e.o.MaxPipes) || l.now < l.noPipes {
		l.e.pipes.Add(-1)
		return nil
	}
	size := narrow
	if n <= widePipes {
		size = wide
	}
	p := newPipe(size)
	if p == nil {
		l.e.pipes.Add(-1)
		l.noPipes = l.now + retryEvery
		return nil
	}
	l.pipesUsed.Add(1)
	return p
}

// newPipe takes the kernel's default where it may not be larger. Past the limit the kernel gives a page or two: no pipe.
func newPipe(size int) *pipe {
	var fds [2]int
	if err := unix.Pipe2(fds[:], unix.O_CLOEXEC|unix.O_NONBLOCK); err != nil {
		return nil
	}
	p := &pipe{r: int32(fds[0]), w: int32(fds[1]), size: size}
	if _, err := unix.FcntlInt(uintptr(p.w), unix.F_SETPIPE_SZ, size); err == nil {
		return p
	}
	n, err := unix.FcntlInt(uintptr(p.w), unix.F_GETPIPE_SZ, 0)
	if err != nil || n < defaultCap {
		p.close()
		return nil
	}
	p.size = n
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
