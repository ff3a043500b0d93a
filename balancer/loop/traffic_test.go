// SPDX-License-Identifier: MIT

//go:build linux

package loop

import (
	"crypto/sha256"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"testing"
	"time"
)

// half is what one side says and hears in a session: random pieces, and a sum of each way.
type half struct {
	said, heard int64
	out, in     [32]byte
	err         error
}

// talk writes size random bytes in random pieces, ends its half, and reads until the other side ends its own. With after it
// writes only when it has heard everything.
func talk(c net.Conn, seed uint64, size int64, after bool) (h half) {
	r := rand.New(rand.NewPCG(seed, 1))
	var wg sync.WaitGroup
	var readErr error
	read := func() {
		sum := sha256.New()
		buf := make([]byte, 1000+r.IntN(200<<10))
		h.heard, readErr = io.CopyBuffer(sum, onlyReader{c}, buf)
		h.in = [32]byte(sum.Sum(nil))
	}
	if after {
		read()
	} else {
		wg.Go(read)
	}
	h.said, h.out, h.err = speak(c, rand.New(rand.NewPCG(seed, 2)), size)
	wg.Wait()
	h.err = errors.Join(h.err, readErr)
	return h
}

type onlyReader struct{ io.Reader }

func speak(c net.Conn, r *rand.Rand, size int64) (said int64, sum [32]byte, err error) {
	hash := sha256.New()
	random := rand.NewChaCha8([32]byte{byte(r.Uint32()), byte(r.Uint32())})
	most := 1 + int(size/500) + r.IntN(1<<(8+r.IntN(12)))
	buf := make([]byte, most)
	for said < size && err == nil {
		b := buf[:min(int64(1+r.IntN(most)), size-said)]
		random.Read(b)
		var n int
		n, err = c.Write(b)
		said += int64(n)
		hash.Write(b[:n])
		if r.IntN(64) == 0 {
			runtime.Gosched()
		}
	}
	return said, [32]byte(hash.Sum(nil)), errors.Join(err, c.(interface{ CloseWrite() error }).CloseWrite())
}

// sizes of one direction: nothing, a word, some buffers, and bulk.
func size(r *rand.Rand) int64 {
	switch r.IntN(4) {
	case 0:
		return 0
	case 1:
		return int64(r.IntN(1000))
	case 2:
		return int64(r.IntN(1 << 18))
	}
	return int64(r.IntN(4 << 20))
}

// exchange runs many sessions at once and compares both ends' sums. The first eight bytes tell the server which session it is.
func exchange(t *testing.T, dial func() (net.Conn, error), backend net.Listener, sessions int) {
	t.Helper()
	const answering = 1 << 32
	servers := make([]half, sessions)
	var wg sync.WaitGroup
	wg.Go(func() {
		for range sessions {
			c, err := backend.Accept()
			if err != nil {
				t.Error(err)
				return
			}
			wg.Go(func() {
				defer c.Close()
				_ = c.SetDeadline(time.Now().Add(60 * time.Second))
				var id [4]byte
				if _, err := io.ReadFull(c, id[:]); err != nil {
					t.Error(err)
					return
				}
				i := int(id[0]) | int(id[1])<<8
				servers[i] = talk(c, answering|uint64(i), size(rand.New(rand.NewPCG(answering, uint64(i)))), i%4 == 1)
			})
		}
	})
	clients := make([]half, sessions)
	room := make(chan struct{}, 32)
	for i := range sessions {
		wg.Go(func() {
			room <- struct{}{}
			defer func() { <-room }()
			c, err := dial()
			if err != nil {
				t.Error(err)
				return
			}
			defer c.Close()
			_ = c.SetDeadline(time.Now().Add(60 * time.Second))
			if _, err := c.Write([]byte{byte(i), byte(i >> 8), 0, 0}); err != nil {
				t.Error(err)
			}
			clients[i] = talk(c, uint64(i)<<1|1, size(rand.New(rand.NewPCG(1, uint64(i)))), i%4 == 0)
		})
	}
	wg.Wait()
	for i := range sessions {
		c, s := clients[i], servers[i]
		if c.err != nil || s.err != nil || c.out != s.in || s.out != c.in || c.said != s.heard || s.said != c.heard {
			t.Errorf("session %d: client said %d (%v), server heard %d (%v); server said %d, client heard %d; sums equal: %v %v",
				i, c.said, c.err, s.heard, s.err, s.said, c.heard, c.out == s.in, s.out == c.in)
		}
	}
}

func TestExchange(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		o    Options
	}{
		{"splice", Options{}},
		{"one loop, two pipes", Options{Loops: 1, MaxPipes: 2}},
		{"copy", Options{MaxPipes: -1}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			l := newLab(t, c.o, Front{IdleTimeout: time.Minute})
			exchange(t, func() (net.Conn, error) { return net.Dial("tcp", l.address) }, l.backend, 150)
			s := l.Stats()
			if spliced := s.Spliced > 0; spliced != (c.o.MaxPipes >= 0) {
				t.Errorf("spliced %d bytes", s.Spliced)
			}
			var client, server int64
			for i := range 150 {
				r := l.result(t, i)
				if r.Reason != ClientClosed && r.Reason != ServerClosed {
					t.Errorf("%+v", r)
				}
				client, server = client+r.FromClient, server+r.FromServer
			}
			if client == 0 || server == 0 {
				t.Error("nothing was counted")
			}
		})
	}
}

// TestUnixLastWord has a client at a unix socket hang up before its server is connected: what it said is delivered.
func TestUnixLastWord(t *testing.T) {
	t.Parallel()
	l := bareLab(t, Options{})
	l.backend = tcpListener(t)
	l.serve(t, unixListener(t, "door"), Front{})
	for range 20 {
		c, err := net.Dial("unix", l.address)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.WriteString(c, "last word")
		c.Close()
		server := accepted(t, l.backend)
		if b, err := io.ReadAll(server); string(b) != "last word" {
			t.Fatalf("%q, %v", b, err)
		}
		server.Close()
	}
}

// unixListener listens in a folder of its own, whose name is short.
func unixListener(t *testing.T, name string) net.Listener {
	t.Helper()
	dir, err := os.MkdirTemp("", "loop")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	n, err := net.Listen("unix", filepath.Join(dir, name))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { n.Close() })
	return n
}

// TestUnix has unix sockets at both sides, and a kernel that may not splice between them.
func TestUnix(t *testing.T) {
	t.Parallel()
	l := bareLab(t, Options{})
	l.backend = unixListener(t, "backend")
	l.serve(t, unixListener(t, "door"), Front{})
	exchange(t, func() (net.Conn, error) { return net.Dial("unix", l.address) }, l.backend, 60)
	if r := l.result(t, 59); r.Duration <= 0 || r.ConnectTime <= 0 {
		t.Errorf("%+v", r)
	}
}
