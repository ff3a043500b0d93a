// SPDX-License-Identifier: MIT

//go:build linux

package loop

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"
	"syscall"

	"golang.org/x/sys/unix"
)

// accepts is how many clients one wake-up takes from a door, so that sessions come to their turn.
const accepts = 16

// Door is a listening socket that an Engine accepts from.
type Door struct {
	e     *Engine
	fd    int32
	unix  bool
	plain bool           // TCP, whose accepted sockets inherit the options. Go listens for MPTCP, which knows fewer, unless told not to
	local netip.AddrPort // zero: differs between connections
	front atomic.Pointer[Front]

	mu     sync.Mutex
	closed bool
}

// entrance is a door in one loop. One loop at a time listens at it: a new client wakes nobody else. (EPOLLEXCLUSIVE cannot
// see to that, since a loop does not sleep in its own epoll descriptor but in Go's.)
type entrance struct {
	*Door
	mine  bool   // this loop is the one
	lists *lists // of the front last seen
}

// Serve accepts from l, by a descriptor of its own: l itself may be closed afterwards. It takes a *net.TCPListener or a
// *net.UnixListener.
func (e *Engine) Serve(l net.Listener, f *Front) (*Door, error) {
	d := &Door{e: e}
	if err := d.dup(l); err != nil {
		return nil, fmt.Errorf("serve %s: %w", l.Addr(), err)
	}
	d.SetFront(f)
	if err := e.addDoor(d); err != nil {
		closeFD(d.fd)
		return nil, fmt.Errorf("serve %s: %w", l.Addr(), err)
	}
	first := e.quietest()
	for _, lp := range e.all {
		var err error
		if !lp.call(func() { err = lp.addDoor(d, lp == first) }) {
			err = net.ErrClosed
		}
		if err != nil {
			d.Close()
			return nil, fmt.Errorf("serve %s: %w", l.Addr(), err)
		}
	}
	return d, nil
}

// addDoor remembers d for Shutdown.
func (e *Engine) addDoor(d *Door) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return net.ErrClosed
	}
	e.doors[d] = struct{}{}
	return nil
}

func (d *Door) dup(l net.Listener) error {
	switch l := l.(type) {
	case *net.TCPListener:
		a := l.Addr().(*net.TCPAddr).AddrPort()
		if !a.Addr().IsUnspecified() {
			d.local = netip.AddrPortFrom(a.Addr().Unmap(), a.Port())
		}
		return d.dupConn(l)
	case *net.UnixListener:
		d.unix = true
		return d.dupConn(l)
	}
	return fmt.Errorf("a %T cannot be balanced: only TCP and unix sockets can", l)
}

func (d *Door) dupConn(l interface {
	SyscallConn() (syscall.RawConn, error)
}) error {
	c, err := l.SyscallConn()
	if err != nil {
		return err
	}
	var own int
	var dupErr error
	if err := c.Control(func(fd uintptr) { own, dupErr = unix.FcntlInt(fd, unix.F_DUPFD_CLOEXEC, 0) }); err != nil {
		return err
	}
	if dupErr != nil {
		return os.NewSyscallError("dup", dupErr)
	}
	d.fd = int32(own)
	proto, err := unix.GetsockoptInt(own, unix.SOL_SOCKET, unix.SO_PROTOCOL)
	d.plain = err == nil && proto == unix.IPPROTO_TCP
	return os.NewSyscallError("set non-blocking", unix.SetNonblock(own, true))
}

// SetFront is for connections accepted from now on. The options of its sockets are set on the listening one, from which
// Linux lets the accepted ones inherit them.
func (d *Door) SetFront(f *Front) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.plain && !d.closed {
		f.untune(d.fd)
		if err := f.tune(d.fd); err != nil {
			d.e.say("the socket options of a listener were not all set", "front", f.Name, "error", err)
		}
	}
	d.front.Store(f)
}

// Close accepts no more, and has returned when no loop does. It may be called twice, but not from a Visit.
func (d *Door) Close() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return
	}
	d.closed = true
	d.e.mu.Lock()
	delete(d.e.doors, d)
	d.e.mu.Unlock()
	for _, l := range d.e.all {
		l.call(func() { l.removeDoor(d) })
	}
	closeFD(d.fd)
}

func (l *loop) addDoor(d *Door, mine bool) error {
	in := &entrance{Door: d, mine: mine}
	l.doors[d.fd] = in
	return l.listen(in)
}

// listen has a new client wake this loop, if the door is its own and it takes any.
func (l *loop) listen(d *entrance) error {
	if !d.mine || l.paused {
		return nil
	}
	ev := unix.EpollEvent{Events: unix.EPOLLIN, Fd: d.fd}
	if err := epollControl(l.ep, unix.EPOLL_CTL_ADD, int(d.fd), &ev); err != 0 {
		return os.NewSyscallError("epoll_ctl", err)
	}
	return nil
}

func (l *loop) ignore(d *entrance) {
	if d.mine && !l.paused {
		epollControl(l.ep, unix.EPOLL_CTL_DEL, int(d.fd), &unix.EpollEvent{})
	}
}

// passOn gives the door to the loop with the fewest sessions, if this one has clearly more, and reports that.
func (l *loop) passOn(d *entrance) bool {
	to := l.e.quietest()
	if few := to.sessions.Load(); to == l || l.sessions.Load() <= few+few/4+leastLead {
		return false
	}
	l.ignore(d)
	d.mine = false
	to.do(func() { to.takeOn(d.Door) }) // in vain only when all loops end
	return true
}

// leastLead is how many sessions more a loop may have than another before doors change hands.
const leastLead = 2

// takeOn listens at a door from now on, if it has not been closed on the way here.
func (l *loop) takeOn(d *Door) {
	in := l.doors[d.fd]
	if in == nil || in.Door != d {
		return
	}
	in.mine = true
	if err := l.listen(in); err != nil {
		l.pause("a listener was lost", err)
	}
}

func (l *loop) removeDoor(d *Door) {
	in := l.doors[d.fd]
	if in == nil || in.Door != d {
		return
	}
	delete(l.doors, d.fd)
	l.ignore(in)
	if in.lists != nil {
		l.dropLists(in.lists)
	}
}

// accept takes what waits at a door, up to a number.
func (l *loop) accept(d *entrance) {
	for range accepts {
		if !l.e.enter() {
			l.pause("as many sessions as there may be", nil)
			return
		}
		fd, err := accept(d.fd, &l.addr)
		if err == 0 {
			l.sessions.Add(1)
			l.accepted.Add(1)
			l.admit(d, fd)
			if l.passOn(d) {
				return
			}
			continue
		}
		l.e.count.Add(-1)
		switch {
		case scarce(err):
			l.pause("accept failed", err)
			return
		case err == unix.EAGAIN || err == unix.EINVAL || err == unix.EBADF:
			return
		}
		// Any other error is that of a connection which failed while it waited (accept(2)).
	}
}

// admit begins a session with the client on fd, whose address l.addr holds.
func (l *loop) admit(d *entrance, fd int32) {
	f := d.front.Load()
	if d.lists == nil || d.lists.front != f {
		if d.lists != nil {
			l.dropLists(d.lists)
		}
		d.lists = l.listsOf(f)
	}
	d.lists.users++
	s := newSession(l, d.lists, fd)
	s.client.doubt = d.unix
	a := Arrival{Peer: addrOf(&l.addr), Local: d.local}
	if !l.trusted(s, a) {
		l.end(s, HeaderBad, nil)
		return
	}
	if !d.unix && !d.local.IsValid() {
		a.Local = localAddr(fd, &l.addr)
	}
	if !d.unix && !d.plain {
		_ = f.tune(fd) // an MPTCP client goes without
	}
	if err := l.watch(&s.client); err != 0 {
		l.e.say("a client was closed", "front", f.Name, "error", os.NewSyscallError("epoll_ctl", err))
		l.end(s, Failed, err)
		return
	}
	if f.Header == nil {
		s.state = connecting
		l.open(s, a)
		return
	}
	s.arrive = &a
	l.list(s, &s.lists.header)
}

func (l *loop) trusted(s *session, a Arrival) bool {
	trusted := s.lists.front.Trusted
	ok := trusted == nil
	if !ok {
		l.guard(s, "Trusted", func() { ok = trusted(a.Peer.Addr()) })
	}
	return ok
}

// readHeader looks for the end of a PROXY header.
func (l *loop) readHeader(s *session) {
	had := copy(l.buf, s.up.pend)
	n, err := receive(s.client.fd, l.buf[had:MaxHeader])
	if err == unix.EAGAIN {
		s.client.readable = false
		return
	}
	if n <= 0 || err != 0 {
		l.end(s, ClientLeft, nil)
		return
	}
	b := l.buf[:had+n]
	s.client.readable = len(b) == MaxHeader || s.client.doubt
	size, bad := 0, error(nil)
	if !l.guard(s, "Header", func() { size, bad = s.lists.front.Header(b) }) {
		return
	}
	switch {
	case bad != nil || size < 0 || size > len(b) || size == 0 && len(b) == MaxHeader:
		l.end(s, HeaderBad, bad)
	case size == 0:
		l.discard(&s.up)
		l.keep(&s.up, append([]byte(nil), b...))
	default:
		l.headed(s, b, size)
	}
}

// headed goes on behind the header.
func (l *loop) headed(s *session, b []byte, size int) {
	l.discard(&s.up)
	if rest := b[size:]; len(rest) > 0 {
		l.keep(&s.up, append([]byte(nil), rest...))
		s.up.total = int64(len(rest))
	}
	a := *s.arrive
	a.Header, s.arrive, s.state = b[:size], nil, connecting
	s.unlist()
	l.open(s, a)
}
