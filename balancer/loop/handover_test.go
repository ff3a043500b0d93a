// SPDX-License-Identifier: MIT

//go:build linux

package loop

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"testing"
	"time"
)

// handOver moves all sessions of one engine to another.
func handOver(t *testing.T, from, to *lab) {
	t.Helper()
	from.door.Close()
	err := from.Surrender(t.Context(), func(h Transfer) error { return to.Adopt(h, to.front, to.visit()) })
	if err != nil {
		t.Error(err)
	}
	if s := from.Stats(); s.Sessions != 0 || s.Pending != 0 || s.Pipes != 0 {
		t.Errorf("the old engine still has %+v", s)
	}
}

// TestHandOver hands hundreds of live sessions on, again and again, in the middle of what they say.
func TestHandOver(t *testing.T) {
	t.Parallel()
	backend, door := tcpListener(t), tcpListener(t)
	start := func() *lab {
		l := bareLab(t, Options{})
		l.backend = backend
		l.serve(t, door, Front{Name: "mail", IdleTimeout: time.Minute})
		return l
	}
	l := start()
	over := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		defer close(over)
		exchange(t, func() (net.Conn, error) { return net.Dial("tcp", l.address) }, backend, 400)
	})
	old := l
	handed := 0
	for busy := true; busy; {
		next := start() // beside the old one: no client waits
		handed += old.Stats().Established
		handOver(t, old, next)
		old = next
		select {
		case <-over:
			busy = false
		case <-time.After(20 * time.Millisecond):
		}
	}
	wg.Wait()
	if handed < 50 {
		t.Errorf("only %d sessions were handed over", handed)
	}
}

// TestHandOverPending has a slow reader's bytes and a half-closed side go along.
func TestHandOverPending(t *testing.T) {
	t.Parallel()
	for _, pipes := range []int{-1, 0} {
		from, to := newLab(t, Options{MaxPipes: pipes}, Front{}), newLab(t, Options{}, Front{})
		client, server := from.pair(t)
		said := bytes.Repeat([]byte("0123456789abcdef"), 1<<20)
		var wg sync.WaitGroup
		wg.Go(func() {
			if _, err := server.Write(said); err != nil {
				t.Error(err)
			}
			_ = server.(*net.TCPConn).CloseWrite()
		})
		_ = client.(*net.TCPConn).CloseWrite()
		wantEOF(t, server)
		waitFor(t, func() bool { s := from.Stats(); return s.Pending > 0 || s.Pipes > 0 })
		handOver(t, from, to)
		heard, err := io.ReadAll(client)
		if err != nil || !bytes.Equal(heard, said) {
			t.Errorf("%d bytes, %v", len(heard), err)
		}
		wg.Wait()
		if r := from.result(t, 0); r.Reason != HandedOver {
			t.Errorf("%+v", r)
		}
		if r := to.result(t, 0); r.Reason != ClientClosed || r.FromServer != int64(len(said)) {
			t.Errorf("%+v", r)
		}
	}
}

// TestNotTaken has the other process take nothing: the sessions go on here.
func TestNotTaken(t *testing.T) {
	t.Parallel()
	l := newLab(t, Options{}, Front{})
	client, server := l.pair(t)
	say(t, client, server, "before")
	broken := errors.New("no answer")
	if err := l.Surrender(t.Context(), func(Transfer) error { return broken }); !errors.Is(err, broken) {
		t.Error(err)
	}
	say(t, server, client, "after")
	client.Close()
	wantEOF(t, server)
	server.Close()
	if r := l.result(t, 0); r.Reason != ClientClosed {
		t.Errorf("%+v", r)
	}
}

// TestSurrenderWaits has a session that has no server yet when the hand-over begins.
func TestSurrenderWaits(t *testing.T) {
	t.Parallel()
	l := bareLab(t, Options{})
	silent := full(t)
	l.serve(t, tcpListener(t), Front{Open: func(Arrival) Visit { return l.visit(silent) }})
	l.dial(t)
	waitFor(t, func() bool { return l.Stats().Sessions == 1 })
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	err := l.Surrender(ctx, func(Transfer) error { return errors.New("nothing is established") })
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
}

func TestAdoptClosed(t *testing.T) {
	t.Parallel()
	l := bareLab(t, Options{})
	l.shutdown(t)
	if err := l.Adopt(Transfer{Client: -1, Server: -1, Front: "x"}, &Front{}, nil); err == nil || fmt.Sprint(err) == "" {
		t.Error("adopted by a dead engine")
	}
}

// TestHandOverLost has a client that was reset, which only this side knows by then, while its last bytes wait for the server:
// whoever takes the session over resets the server, too, when these are delivered.
func TestHandOverLost(t *testing.T) {
	t.Parallel()
	from, to := newLab(t, Options{}, Front{}), newLab(t, Options{}, Front{})
	client, server := from.pair(t)
	said := make([]byte, 32<<20)
	_ = client.SetWriteDeadline(time.Now().Add(500 * time.Millisecond))
	n, _ := client.Write(said)
	if n == len(said) {
		t.Fatal("the server's side took everything")
	}
	reset(t, client)
	if _, err := server.Write([]byte("who is there?")); err != nil {
		t.Fatal(err)
	}
	waitFor(t, func() (lost bool) {
		for _, l := range from.all {
			l.call(func() {
				for _, e := range l.ends {
					lost = lost || e != nil && e.broken
				}
			})
		}
		return lost
	})
	handOver(t, from, to)
	_, _ = io.Copy(io.Discard, server)
	if r := to.result(t, 0); r.Reason != ClientReset {
		t.Errorf("%+v", r)
	}
}
