// SPDX-License-Identifier: MIT

package balancer

import (
	"context"
	"fmt"
	"net/netip"
	"strings"
	"syscall"
	"testing"
	"time"

	"posthouse/balancer/loop"
	"posthouse/internal/maillab"
	"posthouse/upstream"
)

// BenchmarkVisit is what one session costs beside its bytes: admission, choice, counts and its line in the log.
func BenchmarkVisit(b *testing.B) {
	w := newTestWay(b, "192.0.2.1:993", "192.0.2.2:993")
	arrival := loop.Arrival{Peer: netip.MustParseAddrPort("198.51.100.1:40000"), Local: netip.MustParseAddrPort("198.51.100.2:993")}
	b.ReportAllocs()
	for b.Loop() {
		v := w.open(arrival)
		v.Next(nil)
		v.Connected()
		v.Done(loop.Result{Reason: loop.ClientClosed, Duration: time.Second, ConnectTime: time.Millisecond})
		select {
		case <-w.service.journal.lines:
		default:
		}
	}
}

// newTestWay is a way to servers that nobody connects to.
func newTestWay(t testing.TB, addresses ...string) *way {
	c := &Service{}
	c.SetDefaults()
	for _, a := range addresses {
		var u upstream.Server
		u.SetDefaults()
		if err := u.UnmarshalScalar(a); err != nil {
			t.Fatal(err)
		}
		c.Upstream = append(c.Upstream, u)
	}
	return newService("s", newJournal(new(logged).logger())).newWay(c, newNetworks(nil), nil)
}

// TestOurOwnLack: that this machine has no descriptor or port left is no failure of a server.
func TestOurOwnLack(t *testing.T) {
	t.Parallel()
	w := newTestWay(t, "192.0.2.1:993", "192.0.2.2:993")
	v := w.open(loop.Arrival{})
	first, _ := v.Next(nil)
	second, ok := v.Next(fmt.Errorf("connect: %w", syscall.EMFILE))
	if !ok || first.Addr == second.Addr {
		t.Errorf("%v, then %v", first, second)
	}
	if _, ok := v.Next(syscall.ECONNREFUSED); ok {
		t.Error("a third server")
	}
	v.Done(loop.Result{Reason: loop.NoServer})
	for i, want := range []uint64{0, 1} {
		if s := w.group.Members()[i].Status(); s.Failures != want || s.Conns != 0 {
			t.Errorf("%+v, want %d failures", s, want)
		}
	}
}

// TestClientLeaves: who goes while a server is being tried does that server no harm.
func TestClientLeaves(t *testing.T) {
	t.Parallel()
	w := newTestWay(t, "192.0.2.1:993", "192.0.2.2:993")
	v := w.open(loop.Arrival{})
	v.Next(nil)
	v.Done(loop.Result{Reason: loop.ClientLeft})
	if s := w.group.Members()[0].Status(); s.Failures != 0 || s.Conns != 0 || s.Picked != 1 {
		t.Errorf("%+v", s)
	}
}

// TestLogThatHangs: the loops never wait for it; what is lost is counted and said.
func TestLogThatHangs(t *testing.T) {
	t.Parallel()
	log := &logged{}
	j := newJournal(log.logger())
	for range journalLines + 7 {
		j.refused("s", netip.Addr{}, denied, nil)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { j.run(ctx); close(done) }()
	maillab.Wait(t, patience, "the loss", func() bool { return strings.Contains(log.String(), "lines=7") })
	cancel()
	<-done
	if n := strings.Count(log.String(), "reason=deny"); n != journalLines {
		t.Errorf("%d lines", n)
	}
}
