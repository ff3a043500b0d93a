// SPDX-License-Identifier: MIT

//go:build linux

package loop

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func reset(t *testing.T, c net.Conn) {
	t.Helper()
	if err := c.(*net.TCPConn).SetLinger(0); err != nil {
		t.Fatal(err)
	}
	c.Close()
}

func TestReset(t *testing.T) {
	t.Parallel()
	eachSide(t, ClientReset, ServerReset, func(t *testing.T, l *lab, a, b net.Conn, want Reason) {
		reset(t, a)
		if _, err := b.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("the other side got %v", err)
		}
		if r := l.result(t, 0); r.Reason != want || !errors.Is(r.Err, syscall.ECONNRESET) {
			t.Errorf("%+v", r)
		}
	})
}

// TestLastWords has a server say why and slam the door while the client still talks: the client hears why.
func TestLastWords(t *testing.T) {
	t.Parallel()
	l := newLab(t, Options{}, Front{})
	client, server := l.pair(t)
	say(t, client, server, "hello")
	_, _ = client.Write([]byte("unread"))
	_, _ = io.WriteString(server, "421 bye")
	server.Close() // with unread bytes: the kernel may send a reset
	b, err := io.ReadAll(client)
	if string(b) != "421 bye" {
		t.Errorf("%q, %v", b, err)
	}
	client.Close()
	l.result(t, 0)
}

// refused is an address where nobody listens.
func refused(t *testing.T) Target {
	n := tcpListener(t)
	n.Close()
	return target(n)
}

func TestFailover(t *testing.T) {
	t.Parallel()
	l := newLab(t, Options{}, Front{ConnectTimeout: 5 * time.Second})
	var v *visitTo
	dead, nowhere := refused(t), Target{Path: t.TempDir() + "/nobody"}
	f := *l.front
	f.Open = func(Arrival) Visit {
		v = l.visit(dead, nowhere, Target{}, target(l.backend))
		return v
	}
	l.door.SetFront(&f)
	client, server := l.pair(t)
	say(t, client, server, "there at last")
	client.Close()
	server.Close()
	l.result(t, 0)
	if len(v.whys) != 4 || v.whys[0] != nil || !errors.Is(v.whys[1], syscall.ECONNREFUSED) || !errors.Is(v.whys[2], syscall.ENOENT) || v.whys[3] == nil {
		t.Errorf("%v", v.whys)
	}
}

func TestNoServer(t *testing.T) {
	t.Parallel()
	l := bareLab(t, Options{})
	dead := refused(t)
	l.serve(t, tcpListener(t), Front{Open: func(Arrival) Visit { return l.visit(dead) }})
	wantEOF(t, l.dial(t))
	if r := l.result(t, 0); r.Reason != NoServer || !errors.Is(r.Err, syscall.ECONNREFUSED) {
		t.Errorf("%+v", r)
	}
}

// full is a listening socket whose backlog is full: a connection to it is not answered.
func full(t *testing.T) Target {
	t.Helper()
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(fd) })
	if err := errors.Join(unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}), unix.Listen(fd, 0)); err != nil {
		t.Fatal(err)
	}
	a, err := unix.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	to := netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), uint16(a.(*unix.SockaddrInet4).Port))
	c, err := net.Dial("tcp", to.String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return Target{Addr: to}
}

func TestConnectTimeout(t *testing.T) {
	t.Parallel()
	l := newLab(t, Options{}, Front{ConnectTimeout: 30 * time.Millisecond})
	var v *visitTo
	silent := full(t)
	f := *l.front
	f.Open = func(Arrival) Visit {
		v = l.visit(silent, silent, target(l.backend))
		return v
	}
	l.door.SetFront(&f)
	client, server := l.pair(t)
	say(t, client, server, "there at last")
	client.Close()
	server.Close()
	if r := l.result(t, 0); r.ConnectTime < 60*time.Millisecond {
		t.Errorf("%+v", r)
	}
	if len(v.whys) != 3 || !errors.Is(v.whys[1], os.ErrDeadlineExceeded) || !errors.Is(v.whys[2], os.ErrDeadlineExceeded) {
		t.Errorf("%v", v.whys)
	}
}

// TestStarvedTooLong has a session wait in vain for a descriptor: no server is blamed.
func TestStarvedTooLong(t *testing.T) {
	t.Parallel()
	l := bareLab(t, Options{Loops: 1})
	v := l.visit(full(t))
	l.serve(t, tcpListener(t), Front{Open: func(Arrival) Visit { return v }})
	c := l.dial(t)
	waitFor(t, func() bool { return l.Stats().Sessions == 1 })
	l.all[0].call(func() {
		for _, e := range l.all[0].ends {
			if e != nil && e == &e.s.client {
				l.all[0].hangUp(&e.s.server)
				e.s.state = starved
				l.all[0].connectTimeout(e.s)
			}
		}
	})
	wantEOF(t, c)
	if r := l.result(t, 0); r.Reason != NoServer || len(v.whys) != 2 || !errors.Is(v.whys[1], syscall.EMFILE) {
		t.Errorf("%+v %v", r, v.whys)
	}
}

// TestClientLeft has a client vanish while its server does not answer.
func TestClientLeft(t *testing.T) {
	t.Parallel()
	l := bareLab(t, Options{})
	silent := full(t)
	l.serve(t, tcpListener(t), Front{Open: func(Arrival) Visit { return l.visit(silent) }})
	c := l.dial(t)
	waitFor(t, func() bool { return l.Stats().Sessions == 1 })
	reset(t, c)
	if r := l.result(t, 0); r.Reason != ClientLeft {
		t.Errorf("%+v", r)
	}
}

func TestIdleTimeout(t *testing.T) {
	t.Parallel()
	l := newLab(t, Options{Loops: 1}, Front{IdleTimeout: 300 * time.Millisecond})
	quiet, _ := l.pair(t)
	busy, server := l.pair(t)
	for start := time.Now(); time.Since(start) < 600*time.Millisecond; time.Sleep(20 * time.Millisecond) {
		say(t, busy, server, "x")
	}
	wantEOF(t, quiet)
	if r := l.result(t, 0); r.Reason != IdleTimeout || r.Duration < 300*time.Millisecond || r.Duration > 500*time.Millisecond {
		t.Errorf("%+v", r)
	}
	say(t, server, busy, "still here")
}

// lines is a header that ends at a newline.
func lines(b []byte) (int, error) {
	if b[0] == '!' {
		return 0, errors.New("no header")
	}
	return bytes.IndexByte(b, '\n') + 1, nil
}

func TestHeader(t *testing.T) {
	t.Parallel()
	l := newLab(t, Options{}, Front{})
	f := Front{Header: lines, HeaderTimeout: 200 * time.Millisecond}
	f.Open = func(a Arrival) Visit {
		if string(a.Header) != "PROXY x\n" || a.Peer.Addr() != netip.MustParseAddr("127.0.0.1") || a.Local.String() != l.address {
			t.Errorf("%q from %s at %s", a.Header, a.Peer, a.Local)
		}
		to := target(l.backend)
		to.Preamble = []byte("PREAMBLE ")
		return l.visit(to)
	}
	l.door.SetFront(&f)

	c := l.dial(t)
	for _, piece := range []string{"PRO", "XY", " x\nfirst "} {
		_, _ = io.WriteString(c, piece)
		time.Sleep(5 * time.Millisecond) // pieces of their own, mostly; none is right too
	}
	_, _ = io.WriteString(c, "second")
	_ = c.(*net.TCPConn).CloseWrite()
	s := accepted(t, l.backend)
	if b, err := io.ReadAll(s); string(b) != "PREAMBLE first second" {
		t.Errorf("%q, %v", b, err)
	}
	s.Close()
	if r := l.result(t, 0); r.FromClient != int64(len("first second")) {
		t.Errorf("%+v", r)
	}

	for _, bad := range []string{"!", strings.Repeat("x", MaxHeader), ""} {
		c := l.dial(t)
		_, _ = io.WriteString(c, bad)
		if _, err := c.Read(make([]byte, 1)); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("after %.9q: %v", bad, err)
		}
	}
	waitFor(t, func() bool { return l.Stats().Sessions == 0 })

	stranger := f
	stranger.Trusted = func(netip.Addr) bool { return false }
	l.door.SetFront(&stranger)
	wantEOF(t, l.dial(t))
}

// waitFor waits for what the loops do on their own.
func waitFor(t *testing.T, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("it did not come about")
		}
	}
}

// bomb panics at one of its calls.
type bomb struct {
	*visitTo
	at string
}

func (b bomb) Next(why error) (Target, bool) { b.tick("Next"); return b.visitTo.Next(why) }
func (b bomb) Connected()                    { b.tick("Connected") }
func (b bomb) Done(r Result)                 { b.visitTo.Done(r); b.tick("Done") }
func (b bomb) tick(at string) {
	if b.at == at {
		panic("tick")
	}
}

func TestPanic(t *testing.T) {
	t.Parallel()
	l := newLab(t, Options{Loops: 1}, Front{})
	client, server := l.pair(t)
	for i, at := range []string{"Open", "Next", "Connected", "Done"} {
		f := Front{Open: func(Arrival) Visit {
			if at == "Open" {
				panic("tick")
			}
			return bomb{l.visit(refused(t)), at}
		}}
		if at == "Connected" {
			f.Open = func(Arrival) Visit { return bomb{l.visit(target(l.backend)), at} }
		}
		l.door.SetFront(&f)
		wantEOF(t, l.dial(t))
		if i > 0 && i < 3 {
			if r := l.result(t, i-1); r.Reason != Failed || r.Err == nil {
				t.Errorf("%s: %+v", at, r)
			}
		}
	}
	say(t, client, server, "nobody else is touched")
}

func TestPause(t *testing.T) {
	t.Parallel()
	l := newLab(t, Options{MaxSessions: 4}, Front{})
	type ends struct{ client, server net.Conn }
	var open []ends
	for range 4 {
		c, s := l.pair(t)
		open = append(open, ends{c, s})
	}
	var waiting sync.WaitGroup
	for range 20 {
		c := l.dial(t)
		waiting.Go(func() {
			if b, err := io.ReadAll(c); string(b) != "served" {
				t.Errorf("%q, %v", b, err)
			}
			c.Close()
		})
	}
	waitFor(t, func() bool { return l.Stats().Paused })
	for _, e := range open {
		say(t, e.client, e.server, "as ever")
		e.client.Close()
		e.server.Close()
	}
	for range 20 {
		s := accepted(t, l.backend)
		if n := l.Stats().Sessions; n > 4 {
			t.Errorf("%d sessions", n)
		}
		_, _ = io.WriteString(s, "served")
		s.Close()
	}
	waiting.Wait()
	waitFor(t, func() bool { return !l.Stats().Paused })
}

// At the brink accepting pauses and goes on all the time, and the log hears of it once in a while.
func TestPauseIsToldOnce(t *testing.T) {
	t.Parallel()
	var log logText
	l := newLab(t, Options{MaxSessions: 1, Log: slog.New(slog.NewTextHandler(&log, nil))}, Front{})
	for range 20 {
		first, server := l.pair(t)
		second := l.dial(t)
		waitFor(t, func() bool { return l.Stats().Paused })
		first.Close()
		server.Close()
		accepted(t, l.backend).Close()
		second.Close()
		waitFor(t, func() bool { s := l.Stats(); return s.Sessions == 0 && !s.Paused })
	}
	l.shutdown(t)
	if text := log.String(); strings.Count(text, "accepting pauses") != 1 || strings.Count(text, "accepting goes on") != 1 {
		t.Errorf("20 pauses gave:\n%s", text)
	}
}

// logText is a log in memory.
type logText struct {
	mu  sync.Mutex
	all bytes.Buffer
}

func (l *logText) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.all.Write(b)
}

func (l *logText) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.all.String()
}

// TestSlowReader has each side in turn say far more than the other one takes.
func TestSlowReader(t *testing.T) {
	t.Parallel()
	for _, pipes := range []int{-1, 8} {
		l := newLab(t, Options{MaxPipes: pipes}, Front{})
		const sessions = 10
		var readers []net.Conn
		var writers sync.WaitGroup
		piece := bytes.Repeat([]byte("0123456789abcdef"), 4<<10)
		for range sessions {
			client, server := l.pair(t)
			readers = append(readers, client)
			writers.Go(func() {
				for range 300 {
					if _, err := server.Write(piece); err != nil {
						t.Error(err)
						return
					}
				}
				server.Close()
			})
		}
		time.Sleep(300 * time.Millisecond)
		s := l.Stats()
		if s.Pending > sessions*bufferSize || s.Pipes > max(pipes, 0) {
			t.Errorf("%+v", s)
		}
		for _, c := range readers {
			n, err := io.Copy(io.Discard, c)
			if err != nil || n != int64(300*len(piece)) {
				t.Errorf("%d bytes, %v", n, err)
			}
			c.Close()
		}
		writers.Wait()
		waitFor(t, func() bool { s := l.Stats(); return s.Sessions == 0 && s.Pending == 0 && s.Pipes == 0 })
	}
}

// TestOptions has an accepted socket inherit what its listening one was given.
func TestOptions(t *testing.T) {
	t.Parallel()
	n := tcpListener(t)
	l := bareLab(t, Options{})
	f := Front{UserTimeout: 7 * time.Second, KeepAlive: 11 * time.Second, Open: func(Arrival) Visit { return nil }}
	l.serve(t, n, f)
	l.door.Close()
	c := l.dial(t)
	defer c.Close()
	s := accepted(t, n)
	raw, err := s.(*net.TCPConn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	_ = raw.Control(func(fd uintptr) {
		for _, o := range []struct{ level, name, want int }{
			{unix.IPPROTO_TCP, unix.TCP_NODELAY, 1}, {unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, 7000},
		} {
			if v, err := unix.GetsockoptInt(int(fd), o.level, o.name); err != nil || v != o.want {
				t.Errorf("option %d is %d, %v", o.name, v, err)
			}
		}
	})
}

// TestOptionsStay: who comes in the middle of a reload is given the options that it does not change.
func TestOptionsStay(t *testing.T) {
	t.Parallel()
	n := tcpListener(t)
	l := bareLab(t, Options{})
	f := Front{UserTimeout: 7 * time.Second, KeepAlive: 11 * time.Second, Open: func(Arrival) Visit { return nil }}
	l.serve(t, n, f)
	raw, err := n.(*net.TCPListener).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	over := make(chan struct{})
	var reloads sync.WaitGroup
	reloads.Go(func() {
		defer close(over)
		for range 20_000 {
			l.door.SetFront(&f)
		}
	})
	_ = raw.Control(func(fd uintptr) {
		for busy := true; busy && !t.Failed(); {
			select {
			case <-over:
				busy = false
			default:
			}
			if v, err := unix.GetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT); err != nil || v != 7000 {
				t.Errorf("TCP_USER_TIMEOUT is %d, %v", v, err)
			}
			if v, err := unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_KEEPALIVE); err != nil || v != 1 {
				t.Errorf("SO_KEEPALIVE is %d, %v", v, err)
			}
		}
	})
	reloads.Wait()
	l.door.SetFront(&Front{Open: f.Open})
	_ = raw.Control(func(fd uintptr) {
		if v, _ := unix.GetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT); v != 0 {
			t.Errorf("TCP_USER_TIMEOUT is still %d", v)
		}
	})
}

func TestShutdownWaits(t *testing.T) {
	t.Parallel()
	l := newLab(t, Options{}, Front{})
	client, server := l.pair(t)
	say(t, client, server, "before")
	hard, cancel := context.WithCancel(context.Background())
	defer cancel()
	over := make(chan error)
	go func() { over <- l.Shutdown(hard) }()
	say(t, server, client, "during")
	_ = client.(*net.TCPConn).CloseWrite()
	wantEOF(t, server)
	say(t, server, client, "until the end")
	server.Close()
	if err := <-over; err != nil || l.result(t, 0).Reason != ClientClosed {
		t.Errorf("%v, %+v", err, l.result(t, 0))
	}
	if _, err := l.Serve(tcpListener(t), l.front); !errors.Is(err, net.ErrClosed) {
		t.Error(err)
	}
}

func TestShutdownCuts(t *testing.T) {
	t.Parallel()
	l := newLab(t, Options{}, Front{})
	client, _ := l.pair(t)
	l.shutdown(t)
	wantEOF(t, client)
	if r := l.result(t, 0); r.Reason != Stopped {
		t.Errorf("%+v", r)
	}
}
