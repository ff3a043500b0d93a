// SPDX-License-Identifier: MIT

package maillab

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// Backend is a TCP server behind a balancer. It says its name and a newline, sends back what it gets, and fails in the way it is
// told. It keeps its address whatever becomes of it.
type Backend struct {
	Name    string
	options BackendOptions
	address string

	mu       sync.Mutex
	fault    Fault
	after    int64 // octets until the reset
	ln       net.Listener
	looping  chan struct{} // closed when nobody accepts any more
	sessions map[net.Conn]Visit
	visits   []Visit
	fillers  map[string]net.Conn // by their own address
	ending   sync.WaitGroup
}

// BackendOptions say what kind of server it is.
type BackendOptions struct {
	Address string             // host:port, or the path of a unix socket; "": a free port of 127.0.0.1
	Proxy   bool               // each connection begins with a PROXY header
	Silent  bool               // no name at first
	Serve   func(*BackendConn) // in place of name and echo; the connection is closed when it returns
}

// BackendConn is one connection at a backend, its PROXY header already read.
type BackendConn struct {
	net.Conn
	R     *bufio.Reader
	Visit Visit
}

// Visit is what a backend saw of one connection.
type Visit struct {
	Peer   netip.AddrPort // who connected: the balancer; zero for a unix socket
	Client netip.AddrPort // as the PROXY header announces it; zero without one, and for UNKNOWN and LOCAL
	Header string         // as it came
	Fault  Fault          // how the backend was then
}

// Fault is how a backend fails.
type Fault int

// The ways to fail. What is said of connections is said of new ones, save for Kill.
const (
	Works     Fault = iota
	Refuses         // nobody listens: the system answers RST
	Stalls          // accepted, and neither read nor answered
	Resets          // accepted, and cut by RST, after some octets if so told
	BlackHole       // SYNs are dropped: nobody answers at all
)

func (f Fault) String() string {
	return [...]string{"works", "refuses", "stalls", "resets", "black hole"}[f]
}

// NewBackend starts a backend that ends with the test.
func NewBackend(t testing.TB, name string, o BackendOptions) *Backend {
	t.Helper()
	if o.Address == "" {
		o.Address = Local(FreePort(t))
	}
	b := &Backend{Name: name, options: o, address: o.Address, fault: Refuses, sessions: map[net.Conn]Visit{}, fillers: map[string]net.Conn{}}
	if err := b.set(Works, 0); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Close)
	return b
}

// Addr is its host:port, or its path.
func (b *Backend) Addr() string { return b.address }

// Be makes it work, or fail in a way. Sessions that are there already go on.
func (b *Backend) Be(t testing.TB, f Fault) {
	t.Helper()
	if err := b.set(f, 0); err != nil {
		t.Fatalf("backend %s: %v", b.Name, err)
	}
}

// ResetAfter makes it cut each new connection by RST when it has got n octets.
func (b *Backend) ResetAfter(t testing.TB, n int64) {
	t.Helper()
	if err := b.set(Resets, n); err != nil {
		t.Fatalf("backend %s: %v", b.Name, err)
	}
}

// Kill ends it as a process ends that is killed, or a machine that starts again: live sessions are cut by RST, new ones refused.
func (b *Backend) Kill(t testing.TB) {
	t.Helper()
	b.Be(t, Refuses)
	b.cut()
}

// Close ends the backend for good.
func (b *Backend) Close() {
	_ = b.set(Refuses, 0)
	b.cut()
	b.ending.Wait()
}

// cut resets all sessions.
func (b *Backend) cut() {
	b.mu.Lock()
	defer b.mu.Unlock()
	for c := range b.sessions {
		reset(c)
	}
}

// reset ends a connection by RST, where it is TCP.
func reset(c net.Conn) {
	if tcp, ok := c.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	c.Close()
}

// Visits are all connections that were accepted so far, in their order.
func (b *Backend) Visits() []Visit {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.visits)
}

// Sessions is how many connections are open.
func (b *Backend) Sessions() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.sessions)
}

// Serves reports that a client's session is open, as the PROXY header announced it.
func (b *Backend) Serves(client netip.AddrPort) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, v := range b.sessions {
		if v.Client == client {
			return true
		}
	}
	return false
}

// set changes from one fault to another.
func (b *Backend) set(f Fault, after int64) error {
	b.mu.Lock()
	was, ln := b.fault, b.ln
	b.fault, b.after = f, after
	b.mu.Unlock()
	if was == BlackHole && f != BlackHole {
		b.fill(false)
	}
	switch {
	case f == Refuses && ln != nil:
		return b.unlisten()
	case f == Refuses:
		return nil
	case ln == nil:
		if err := b.listen(); err != nil {
			return err
		}
	}
	switch {
	case f == BlackHole && was != BlackHole:
		return b.hide()
	case f != BlackHole && was == BlackHole:
		return b.show()
	}
	return nil
}

func (b *Backend) listen() error {
	network := "tcp"
	if strings.HasPrefix(b.address, "/") {
		network = "unix"
	}
	ln, err := net.Listen(network, b.address)
	if err != nil {
		return err
	}
	b.mu.Lock()
	b.ln = ln
	b.mu.Unlock()
	b.loop(ln)
	return nil
}

func (b *Backend) unlisten() error {
	b.mu.Lock()
	ln, looping := b.ln, b.looping
	b.ln = nil
	b.mu.Unlock()
	err := ln.Close()
	<-looping
	return err
}

// loop accepts until the listener is closed or its deadline is over.
func (b *Backend) loop(ln net.Listener) {
	looping := make(chan struct{})
	b.mu.Lock()
	b.looping = looping
	b.mu.Unlock()
	go func() {
		defer close(looping)
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			b.accepted(c)
		}
	}()
}

// hide stops accepting and makes the queue so short that a few connections of our own fill it. The kernel drops the SYNs of all
// others.
func (b *Backend) hide() error {
	b.mu.Lock()
	ln, looping := b.ln.(*net.TCPListener), b.looping
	b.mu.Unlock()
	if err := ln.SetDeadline(time.Unix(1, 0)); err != nil {
		return err
	}
	<-looping
	if err := backlog(ln, 1); err != nil {
		return err
	}
	b.fill(true)
	return nil
}

// show accepts again.
func (b *Backend) show() error {
	b.mu.Lock()
	ln := b.ln.(*net.TCPListener)
	b.mu.Unlock()
	if err := ln.SetDeadline(time.Time{}); err != nil {
		return err
	}
	if err := backlog(ln, 4096); err != nil {
		return err
	}
	b.loop(ln)
	return nil
}

// backlog sets the length of the queue of a socket that listens already.
func backlog(ln *net.TCPListener, n int) error {
	raw, err := ln.SyscallConn()
	if err != nil {
		return err
	}
	var failed error
	if err := raw.Control(func(fd uintptr) { failed = syscall.Listen(int(fd), n) }); err != nil {
		return err
	}
	return failed
}

// fill connects until nobody answers any more, or gives those connections up.
func (b *Backend) fill(full bool) {
	for full {
		c, err := net.DialTimeout("tcp", b.address, 200*time.Millisecond)
		if err != nil {
			return
		}
		b.mu.Lock()
		b.fillers[c.LocalAddr().String()] = c
		b.mu.Unlock()
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, c := range b.fillers { // the names stay, for accepted to know them by
		c.Close()
	}
}

// accepted begins a session.
func (b *Backend) accepted(c net.Conn) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if _, ours := b.fillers[c.RemoteAddr().String()]; ours {
		delete(b.fillers, c.RemoteAddr().String())
		c.Close()
		return
	}
	v := Visit{Fault: b.fault}
	if p, err := netip.ParseAddrPort(c.RemoteAddr().String()); err == nil {
		v.Peer = netip.AddrPortFrom(p.Addr().Unmap(), p.Port())
	}
	after := b.after
	b.sessions[c] = v
	b.ending.Go(func() {
		b.serve(&BackendConn{Conn: c, R: bufio.NewReader(c), Visit: v}, after)
		b.mu.Lock()
		defer b.mu.Unlock()
		delete(b.sessions, c)
	})
}

// serve is one session, to its end.
func (b *Backend) serve(c *BackendConn, after int64) {
	defer c.Close()
	_ = c.SetReadDeadline(time.Now().Add(Patience))
	if b.options.Proxy {
		if err := c.readHeader(); err != nil && c.Visit.Header == "" {
			return // a plain connect, or one that was given up: no visit of anybody
		}
	}
	b.mu.Lock()
	b.visits = append(b.visits, c.Visit)
	b.sessions[c.Conn] = c.Visit
	b.mu.Unlock()
	_ = c.SetReadDeadline(time.Now().Add(never))
	switch {
	case c.Visit.Fault == Stalls:
		b.stall(c)
	case c.Visit.Fault == Resets:
		_, _ = io.CopyN(io.Discard, c.R, after)
		reset(c.Conn)
	case b.options.Serve != nil:
		b.options.Serve(c)
	default:
		b.echo(c)
	}
}

// stall holds a connection and reads nothing until the backend cuts it or the other side resets it.
func (b *Backend) stall(c *BackendConn) {
	for range int(never / (20 * time.Millisecond)) {
		if gone(c.Conn) {
			return
		}
		time.Sleep(20 * time.Millisecond) // nothing is read, so nothing else tells that the other side has gone
	}
}

// gone reports a connection that is closed here, or reset or shut down by the other side, without reading from it.
func gone(c net.Conn) bool {
	raw, err := c.(syscall.Conn).SyscallConn()
	if err != nil {
		return true
	}
	over := false
	err = raw.Control(func(fd uintptr) {
		info, err := tcpState(int(fd))
		over = err == nil && info != tcpEstablished
	})
	return err != nil || over
}

func (b *Backend) echo(c *BackendConn) {
	if !b.options.Silent {
		if _, err := fmt.Fprintln(c, b.Name); err != nil {
			return
		}
	}
	_, _ = io.Copy(c.Conn, c.R)
}

// WaitVisits waits until n connections have come in all.
func (b *Backend) WaitVisits(t testing.TB, n int) []Visit {
	t.Helper()
	Wait(t, Patience, fmt.Sprintf("%d. connection at %s", n, b.Name), func() bool { return len(b.Visits()) >= n })
	return b.Visits()
}
