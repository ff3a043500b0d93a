// SPDX-License-Identifier: MIT

package handover

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"posthouse/balancer"
	"posthouse/balancer/loop"
	"posthouse/internal/maillab"
)

// running is a process that can hand over: where it listens, and each who comes.
type running struct {
	path string
	l    *net.UnixListener
}

func newRunning(t *testing.T) *running {
	t.Helper()
	path := filepath.Join(t.TempDir(), "h")
	l, err := net.ListenUnix("unixpacket", &net.UnixAddr{Name: path, Net: "unixpacket"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return &running{path, l}
}

// meet is Meet in the background.
func (r *running) meet(t *testing.T, then func(*Successor) error) <-chan error {
	t.Helper()
	done := make(chan error, 1)
	go func() {
		c, err := r.l.AcceptUnix()
		if err != nil {
			done <- err
			return
		}
		s, err := Meet(c)
		if err == nil {
			err = then(s)
		}
		done <- err
	}()
	return done
}

func soon() time.Time { return time.Now().Add(maillab.Patience) }

func within(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithDeadline(t.Context(), soon())
	t.Cleanup(cancel)
	return ctx
}

func tcp(t *testing.T) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

// pipe is a TCP connection: one end as a descriptor, as an engine has it, and the other.
func pipe(t *testing.T) (fd int, other net.Conn) {
	t.Helper()
	l := tcp(t)
	other, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { other.Close() })
	c, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	f, err := c.(*net.TCPConn).File()
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if fd, err = syscall.Dup(int(f.Fd())); err != nil {
		t.Fatal(err)
	}
	return fd, other
}

// says reads exactly this from a connection.
func says(t *testing.T, c net.Conn, want string) {
	t.Helper()
	_ = c.SetDeadline(soon())
	got := make([]byte, len(want))
	if _, err := io.ReadFull(c, got); err != nil || string(got) != want {
		t.Errorf("%q, %v; want %q", got, err, want)
	}
}

// A hand-over as it should be: listeners by name, what is drained, sessions with every field and with data of more than one
// packet; afterwards the descriptors are the new process's alone.
func TestHandOver(t *testing.T) {
	t.Parallel()
	r := newRunning(t)
	first, second, third := tcp(t), tcp(t), tcp(t)
	client, clientEnd := pipe(t)
	server, serverEnd := pipe(t)
	big := bytes.Repeat([]byte("0123456789"), 10000)
	sent := Session{Info: balancer.Info{Client: netip.MustParseAddrPort("192.0.2.1:4711"), Server: "a.test:143", Address: netip.MustParseAddrPort("[2001:db8::1]:143")},
		Transfer: loop.Transfer{Front: "imap", Client: client, Server: server, ToServer: big, ToClient: []byte("x"), ClientEOF: true,
			FromClient: 1 << 40, FromServer: 7, Began: time.Now().Add(-time.Hour).Round(0), ConnectTime: time.Millisecond}}
	standing := Standing{[]string{"imap b.test"}, []balancer.Unwell{{Service: "imap", Server: "a.test:143", Address: netip.MustParseAddrPort("192.0.2.3:143"), Why: "silent"}}}
	ended := r.meet(t, func(s *Successor) error {
		if s.PID != os.Getpid() {
			return fmt.Errorf("pid %d", s.PID)
		}
		if err := s.Offer([]Listener{{"a", first, true}, {"b", second, false}, {"a", third, false}}); err != nil {
			return err
		}
		if err := s.Await(within(t), soon()); err != nil {
			return err
		}
		if err := s.Go(standing); err != nil {
			return err
		}
		if err := s.Give(sent); err != nil {
			return err
		}
		return s.End()
	})
	p, err := Dial(within(t), r.path)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	if p.PID != os.Getpid() {
		t.Errorf("pid %d", p.PID)
	}
	for _, want := range []struct {
		l      net.Listener
		unlink bool
	}{{first, true}, {third, false}} {
		l, ok := p.Take("a")
		if !ok || l.Unlink != want.unlink || l.Socket.Addr().String() != want.l.Addr().String() {
			t.Errorf("%v, %+v", ok, l)
			continue
		}
		defer l.Socket.Close()
	}
	if l, ok := p.Take("a"); ok {
		t.Errorf("a third a: %+v", l)
	}
	how, alone, err := p.Ready(within(t), soon())
	if err != nil || alone || !slices.Equal(how.Drained, standing.Drained) || !slices.Equal(how.Unwell, standing.Unwell) {
		t.Fatalf("%+v, %v, %v", how, alone, err)
	}
	var got []Session
	if n, err := p.Sessions(within(t), maillab.Patience, func(s Session) error { got = append(got, s); return nil }); n != 1 || err != nil {
		t.Fatalf("%d sessions, %v", n, err)
	}
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	checkSession(t, sent, got[0], clientEnd, serverEnd)
	first.Close()
	if c, err := net.Dial("tcp", first.Addr().String()); err != nil {
		t.Errorf("the listener does not live on: %v", err)
	} else {
		c.Close()
	}
}

func checkSession(t *testing.T, sent, got Session, clientEnd, serverEnd net.Conn) {
	t.Helper()
	for fd, end := range map[int]net.Conn{got.Transfer.Client: clientEnd, got.Transfer.Server: serverEnd} {
		if _, err := syscall.Write(fd, []byte("hello")); err != nil {
			t.Error(err)
		}
		says(t, end, "hello")
		_ = syscall.Close(fd)
		if n, err := end.Read(make([]byte, 1)); err != io.EOF {
			t.Errorf("after the close: %d bytes, %v: a descriptor is left somewhere", n, err)
		}
	}
	a, b := sent.Transfer, got.Transfer
	if !bytes.Equal(a.ToServer, b.ToServer) || !bytes.Equal(a.ToClient, b.ToClient) || !a.Began.Equal(b.Began) {
		t.Errorf("%d and %d bytes, began %s", len(b.ToServer), len(b.ToClient), b.Began)
	}
	if a.Front != b.Front || a.ClientEOF != b.ClientEOF || a.ServerEOF != b.ServerEOF || a.FromClient != b.FromClient ||
		a.FromServer != b.FromServer || a.ConnectTime != b.ConnectTime || sent.Info != got.Info {
		t.Errorf("sent %+v\ngot %+v", sent, got)
	}
}

// A successor that gives up, dies or is too slow leaves the running process as it was.
func TestSuccessorThatFails(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		then func(*Predecessor) error
		wait time.Duration
		want string
	}{
		"refuses": {func(p *Predecessor) error { p.Refuse(errors.New("port 993 is taken")); return nil }, maillab.Patience, "port 993 is taken"},
		"dies":    {func(p *Predecessor) error { return p.Close() }, maillab.Patience, "ended before it was ready"},
		"sleeps":  {func(p *Predecessor) error { return nil }, 50 * time.Millisecond, "not ready in time"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRunning(t)
			l := tcp(t)
			ended := r.meet(t, func(s *Successor) error {
				if err := s.Offer([]Listener{{"a", l, false}}); err != nil {
					return err
				}
				err := s.Await(within(t), time.Now().Add(c.wait))
				s.Refuse(err)
				return err
			})
			p, err := Dial(within(t), r.path)
			if err != nil {
				t.Fatal(err)
			}
			if err := c.then(p); err != nil {
				t.Fatal(err)
			}
			if err := <-ended; err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v", err)
			}
			if name == "sleeps" { // it hears of it when it wakes up
				if _, _, err := p.Ready(within(t), soon()); !errors.Is(err, ErrRefused) || !strings.Contains(err.Error(), "not ready in time") {
					t.Errorf("the sleeper: %v", err)
				}
				_ = p.Close()
			}
		})
	}
}

// A running process that dies before its Go leaves the new one alone with the listeners; one that says no does not.
func TestPredecessorThatDies(t *testing.T) {
	t.Parallel()
	for name, how := range map[string]func(*Successor){
		"dies":    func(s *Successor) { _ = s.link.close() },
		"refuses": func(s *Successor) { s.Refuse(errors.New("this process stops")) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRunning(t)
			ended := r.meet(t, func(s *Successor) error {
				if err := s.Offer(nil); err != nil {
					return err
				}
				how(s)
				return nil
			})
			p, err := Dial(within(t), r.path)
			if err != nil {
				t.Fatal(err)
			}
			defer p.Close()
			if err := <-ended; err != nil {
				t.Fatal(err)
			}
			_, alone, err := p.Ready(within(t), soon())
			if name == "dies" && (!alone || err != nil) || name == "refuses" && (alone || !errors.Is(err, ErrRefused)) {
				t.Errorf("alone %v, %v", alone, err)
			}
		})
	}
}

// A session whose ack cannot come stays where it was, and the new process does not have it.
func TestSessionStaysWhenTheSuccessorDies(t *testing.T) {
	t.Parallel()
	r := newRunning(t)
	client, clientEnd := pipe(t)
	server, _ := pipe(t)
	ended := r.meet(t, func(s *Successor) error {
		if err := errors.Join(s.Offer(nil), s.Await(within(t), soon()), s.Go(Standing{})); err != nil {
			return err
		}
		mine := Session{Transfer: loop.Transfer{Front: "imap", Client: client, Server: server}}
		if err := s.Give(mine); err == nil {
			return errors.New("given to nobody")
		}
		if err := s.Give(mine); err == nil || !strings.Contains(err.Error(), "takes no sessions any more") {
			return fmt.Errorf("the next one: %w", err)
		}
		return nil
	})
	p, err := Dial(within(t), r.path)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := p.Ready(within(t), soon()); err != nil {
		t.Fatal(err)
	}
	got, err := p.link.receive(soon())
	if err != nil {
		t.Fatal(err)
	}
	got.close() // as the kernel does for a process that has died
	_ = p.Close()
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	if _, err := syscall.Write(client, []byte("here")); err != nil {
		t.Error(err)
	}
	says(t, clientEnd, "here")
	_, _ = syscall.Close(client), syscall.Close(server)
}

// An ack that comes when nobody waits for it any more is either read after all or cannot be sent: never is a session with both
// processes, or with none.
func TestLateAck(t *testing.T) {
	t.Parallel()
	for _, early := range []bool{true, false} {
		r := newRunning(t)
		last := make(chan *packet, 1)
		acked, closed := make(chan struct{}), make(chan struct{})
		ended := r.meet(t, func(s *Successor) error {
			if early {
				<-acked
			}
			p, err := s.lastWord()
			close(closed)
			last <- p
			if early != (err == nil) {
				return fmt.Errorf("early %v: %w", early, err)
			}
			return nil
		})
		c, err := net.Dial("unixpacket", r.path)
		if err != nil {
			t.Fatal(err)
		}
		p := &Predecessor{link: newLink(c.(*net.UnixConn))}
		defer p.Close()
		if err := p.link.tell(hello, greeting{Version}); err != nil {
			t.Fatal(err)
		}
		if !early {
			<-closed
		}
		err = p.link.tell(ack, nil)
		close(acked)
		if early != (err == nil) {
			t.Errorf("early %v: ack sent: %v", early, err)
		}
		if err := <-ended; err != nil {
			t.Error(err)
		}
		if p := <-last; early && p.kind != ack {
			t.Errorf("last word %q", p.kind)
		}
	}
}

// A stranger's hello, or none, gets no listener.
func TestMeetRefuses(t *testing.T) {
	t.Parallel()
	for name, packets := range map[string][]string{
		"another version": {`H{"version":2}`},
		"no JSON":         {"H{"},
		"another packet":  {"R"},
		"a long one":      {"H" + strings.Repeat(" ", maxPacket)},
		"nothing":         nil,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRunning(t)
			ended := r.meet(t, func(*Successor) error { return nil })
			c, err := net.Dial("unixpacket", r.path)
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			for _, p := range packets {
				if _, err := c.Write([]byte(p)); err != nil {
					t.Fatal(err)
				}
			}
			if packets == nil {
				_ = c.(*net.UnixConn).CloseWrite()
			}
			if err := <-ended; err == nil {
				t.Error("taken")
			}
		})
	}
}

func TestDialNobody(t *testing.T) {
	t.Parallel()
	if _, err := Dial(within(t), filepath.Join(t.TempDir(), "h")); !errors.Is(err, ErrNone) {
		t.Errorf("got %v", err)
	}
	r := newRunning(t)
	r.l.SetUnlinkOnClose(false)
	r.l.Close()
	if _, err := Dial(within(t), r.path); !errors.Is(err, ErrNone) {
		t.Errorf("got %v", err)
	}
}

// FuzzPredecessor: whatever a running process says, the new one neither breaks nor keeps a descriptor. The packets of one
// input are separated by newlines.
func FuzzPredecessor(f *testing.F) {
	f.Add([]byte("L{\"name\":\"listen :993\",\"unlink\":true}\nE{\"pid\":7}\nG{\"drained\":[\"imap a\"]}\nS{\"service\":\"imap\",\"to_server\":3}\nDabc\nE"))
	f.Add([]byte("E{}\nN{\"reason\":\"stopping\"}"))
	f.Add([]byte("E{}\nG\nS{\"to_client\":-1}"))
	f.Add([]byte("E{}\nG{}\nS{\"to_client\":2,\"info\":{\"client\":\"192.0.2.1:1\"}}\nDabc"))
	f.Fuzz(func(t *testing.T, in []byte) {
		fds, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_SEQPACKET|syscall.SOCK_CLOEXEC, 0)
		if err != nil {
			t.Fatal(err)
		}
		ours, theirs := unixConn(t, fds[0]), unixConn(t, fds[1])
		defer theirs.Close()
		go func() {
			for p := range bytes.SplitSeq(in, []byte("\n")) {
				var oob []byte
				if len(p) > 0 && (p[0] == byte(session) || p[0] == byte(listener)) {
					oob = syscall.UnixRights(0, 1)[:syscall.CmsgSpace(8)]
				}
				if _, _, err := theirs.WriteMsgUnix(p, oob, nil); err != nil {
					break
				}
			}
			_ = theirs.CloseWrite()
			_, _ = io.Copy(io.Discard, theirs)
		}()
		p := &Predecessor{link: newLink(ours)}
		defer p.Close()
		if err := p.meet(within(t)); err != nil {
			return
		}
		if _, _, err := p.Ready(within(t), soon()); err != nil {
			return
		}
		_, _ = p.Sessions(within(t), time.Second, func(s Session) error {
			_, _ = syscall.Close(s.Transfer.Client), syscall.Close(s.Transfer.Server)
			return nil
		})
	})
}

func unixConn(t *testing.T, fd int) *net.UnixConn {
	t.Helper()
	f := os.NewFile(uintptr(fd), "pair")
	defer f.Close()
	c, err := net.FileConn(f)
	if err != nil {
		t.Fatal(err)
	}
	return c.(*net.UnixConn)
}
