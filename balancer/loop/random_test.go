// SPDX-License-Identifier: MIT

//go:build linux

package loop

import (
	"bytes"
	"math/rand/v2"
	"net"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// peer is the other side of a socket that a still loop has: it says text, in pieces, and hears what comes.
type peer struct {
	net.Conn
	text  []byte
	heard bytes.Buffer
	buf   []byte
	said  bool // all of it, and the end
	eof   bool
}

func newPeer(t *testing.T, r *rand.Rand) (p *peer, fd int) {
	t.Helper()
	n := tcpListener(t)
	c, err := net.Dial("tcp", n.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	own := accepted(t, n).(*net.TCPConn)
	f, err := own.File()
	if err != nil {
		t.Fatal(err)
	}
	own.Close()
	defer f.Close()
	if fd, err = unix.FcntlInt(f.Fd(), unix.F_DUPFD_CLOEXEC, 0); err != nil {
		t.Fatal(err)
	}
	if err := unix.SetNonblock(fd, true); err != nil {
		t.Fatal(err)
	}
	p = &peer{Conn: c, buf: make([]byte, 256<<10), text: make([]byte, r.IntN(1<<(10+r.IntN(12))))}
	for i := range p.text {
		p.text[i] = byte(r.Uint32())
	}
	return p, fd
}

// step says or hears a little, without waiting.
func (p *peer) step(t *testing.T, r *rand.Rand, left *[]byte) {
	raw, err := p.Conn.(*net.TCPConn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	buf := p.buf[:1+r.IntN(len(p.buf))]
	_ = raw.Control(func(fd uintptr) {
		switch {
		case r.IntN(2) == 0 && !p.eof:
			n, err := unix.Read(int(fd), buf)
			if p.eof = n == 0 && err == nil; n > 0 {
				p.heard.Write(buf[:n])
			}
		case len(*left) > 0:
			if n, err := unix.Write(int(fd), (*left)[:min(len(*left), len(buf))]); err == nil {
				*left = (*left)[n:]
			}
		case !p.said:
			p.said = true
			_ = unix.Shutdown(int(fd), unix.SHUT_WR)
		}
	})
}

// TestAnyOrder has the events of a session come late, in any order, twice, and mixed with ones that are not true: each byte and
// each end arrives all the same, once. The session is moved by hand, so that a seed tells the whole story.
func TestAnyOrder(t *testing.T) {
	t.Parallel()
	for seed := range uint64(20) {
		anyOrder(t, seed)
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
}

func anyOrder(t *testing.T, seed uint64) {
	r := rand.New(rand.NewPCG(seed, 11))
	client, a := newPeer(t, r)
	server, b := newPeer(t, r)
	l, s := still(t, b)
	s.client.fd = int32(a)
	l.sessions.Add(1)
	l.e.count.Add(1)
	s.state = established
	l.established.Add(1)
	for _, e := range []*end{&s.client, &s.server} {
		if err := l.watch(e); err != 0 {
			t.Fatal(err)
		}
	}
	toServer, toClient := client.text, server.text
	var late []unix.EpollEvent
	for until := time.Now().Add(20 * time.Second); time.Now().Before(until); { // the kernel waits for its timers now and then
		if s.state == ended && client.eof && server.eof {
			break
		}
		switch r.IntN(6) {
		case 0:
			late = append(late, l.events[:l.poll()]...)
		case 1:
			r.Shuffle(len(late), func(i, j int) { late[i], late[j] = late[j], late[i] })
			for n := r.IntN(len(late) + 1); n > 0; n-- {
				l.dispatch(&late[0])
				if late = late[1:]; r.IntN(4) == 0 && s.state == established {
					l.event(&s.server, unix.EPOLLIN|unix.EPOLLOUT)
				}
			}
		case 2:
			if e := []*end{&s.client, &s.server}[r.IntN(2)]; s.state == established && r.IntN(8) == 0 {
				l.event(e, []uint32{unix.EPOLLIN, unix.EPOLLOUT, unix.EPOLLRDHUP, unix.EPOLLPRI}[r.IntN(4)])
			}
		case 3:
			l.turn()
		case 4:
			client.step(t, r, &toServer)
		case 5:
			server.step(t, r, &toClient)
		}
	}
	if !bytes.Equal(server.heard.Bytes(), client.text) || !bytes.Equal(client.heard.Bytes(), server.text) || s.state != ended {
		t.Errorf("the server heard %d of %d bytes, the client %d of %d, state %d", server.heard.Len(), len(client.text),
			client.heard.Len(), len(server.text), s.state)
	}
	if n := l.sessions.Load() + l.established.Load() + l.pending.Load() + l.pipesUsed.Load() + l.e.count.Load(); n != 0 || len(l.lists) != 0 {
		t.Errorf("left behind: %+v", l.e.Stats())
	}
	for _, p := range l.pool {
		p.close()
	}
}
