// SPDX-License-Identifier: MIT

//go:build linux

package loop

import (
	"context"
	"net"
	"net/netip"
	"sync"
	"testing"
	"time"
)

// lab is an engine under test, with one door to one backend.
type lab struct {
	*Engine
	door    *Door
	front   *Front
	backend net.Listener
	address string

	mu      sync.Mutex
	results []Result
	open    int
}

// visitTo tries its targets in order.
type visitTo struct {
	l       *lab
	targets []Target
	whys    []error
	done    int
}

func (v *visitTo) Next(why error) (Target, bool) {
	if v.whys = append(v.whys, why); len(v.whys) > len(v.targets) {
		return Target{}, false
	}
	return v.targets[len(v.whys)-1], true
}

func (v *visitTo) Connected() {}

func (v *visitTo) Done(r Result) {
	v.l.mu.Lock()
	defer v.l.mu.Unlock()
	if v.done++; v.done > 1 {
		panic("Done was called twice")
	}
	v.l.open--
	v.l.results = append(v.l.results, r)
}

// visit is a new one.
func (l *lab) visit(to ...Target) *visitTo {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.open++
	return &visitTo{l: l, targets: to}
}

func tcpListener(t *testing.T) net.Listener {
	t.Helper()
	var c net.ListenConfig
	c.SetMultipathTCP(false)
	n, err := c.Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { n.Close() })
	return n
}

func target(n net.Listener) Target {
	if u, ok := n.Addr().(*net.UnixAddr); ok {
		return Target{Path: u.Name}
	}
	return Target{Addr: netip.MustParseAddrPort(n.Addr().String())}
}

// newLab runs an engine until the test's end, which wants every visit told Done.
func newLab(t *testing.T, o Options, f Front) *lab {
	t.Helper()
	l := bareLab(t, o)
	l.backend = tcpListener(t)
	l.serve(t, tcpListener(t), f)
	return l
}

func bareLab(t *testing.T, o Options) *lab {
	t.Helper()
	if o.Loops == 0 {
		o.Loops = 3 // whatever the machine has
	}
	e, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	l := &lab{Engine: e}
	t.Cleanup(func() {
		l.shutdown(t)
		l.mu.Lock()
		defer l.mu.Unlock()
		if l.open != 0 {
			t.Errorf("%d visits were not told Done", l.open)
		}
		if s := l.Stats(); s.Sessions != 0 || s.Established != 0 || s.Pending != 0 || s.Pipes != 0 {
			t.Errorf("left behind: %+v", s)
		}
	})
	return l
}

func (l *lab) shutdown(t *testing.T) {
	over, cancel := context.WithCancel(context.Background())
	cancel()
	if err := l.Shutdown(over); err != nil {
		t.Error(err)
	}
}

func (l *lab) serve(t *testing.T, n net.Listener, f Front) {
	t.Helper()
	if f.Open == nil {
		f.Open = func(Arrival) Visit { return l.visit(target(l.backend)) }
	}
	l.front, l.address = &f, n.Addr().String()
	d, err := l.Serve(n, &f)
	if err != nil {
		t.Fatal(err)
	}
	l.door = d
}

func (l *lab) dial(t *testing.T) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", l.address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	soon(c)
	return c
}

// pair is a client and the server that it was led to.
func (l *lab) pair(t *testing.T) (client, server net.Conn) {
	t.Helper()
	client = l.dial(t)
	return client, accepted(t, l.backend)
}

// eachSide tests what one side does, a, and the other sees, b: once with the client as a, once with the server.
func eachSide(t *testing.T, client, server Reason, test func(t *testing.T, l *lab, a, b net.Conn, want Reason)) {
	for name, want := range map[string]Reason{"client": client, "server": server} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := newLab(t, Options{}, Front{})
			a, b := l.pair(t)
			if name == "server" {
				a, b = b, a
			}
			say(t, a, b, "one")
			test(t, l, a, b, want)
		})
	}
}

func accepted(t *testing.T, n net.Listener) net.Conn {
	t.Helper()
	c, err := n.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	soon(c)
	return c
}

func soon(c net.Conn) { _ = c.SetDeadline(time.Now().Add(20 * time.Second)) }

// result waits for the n-th session to end.
func (l *lab) result(t *testing.T, n int) Result {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(time.Millisecond) {
		l.mu.Lock()
		if len(l.results) > n {
			defer l.mu.Unlock()
			return l.results[n]
		}
		l.mu.Unlock()
	}
	t.Fatalf("session %d did not end: %+v", n, l.Stats())
	return Result{}
}
