// SPDX-License-Identifier: MIT

package dnsbl

import (
	"net"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/miekg/dns"

	"posthouse/resolver"
)

// nameServer answers over UDP and counts the questions by "TYPE name".
func nameServer(tb testing.TB, answer func(q dns.Question, out *dns.Msg)) (address string) {
	tb.Helper()
	p, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	started := make(chan struct{})
	s := &dns.Server{PacketConn: p, NotifyStartedFunc: func() { close(started) }, Handler: dns.HandlerFunc(func(w dns.ResponseWriter, m *dns.Msg) {
		out := new(dns.Msg).SetReply(m)
		answer(m.Question[0], out)
		w.WriteMsg(out)
	})}
	go s.ActivateAndServe()
	<-started
	tb.Cleanup(func() { s.Shutdown() })
	return p.LocalAddr().String()
}

func record(tb testing.TB, text string) dns.RR {
	rr, err := dns.NewRR(text)
	if err != nil {
		tb.Error(err)
	}
	return rr
}

// spamhaus lists 192.0.2.2 at every zone.
func spamhaus(tb testing.TB) func(q dns.Question, out *dns.Msg) {
	return func(q dns.Question, out *dns.Msg) {
		switch {
		case !strings.HasPrefix(q.Name, "2.2.0.192."):
			out.Rcode = dns.RcodeNameError
			out.Ns = append(out.Ns, record(tb, "test. 900 IN SOA ns.test. x.test. 1 2 3 4 600"))
		case q.Qtype == dns.TypeTXT:
			out.Answer = append(out.Answer, record(tb, q.Name+` 600 IN TXT "listed"`))
		default:
			out.Answer = append(out.Answer, record(tb, q.Name+" 600 IN A 127.0.0.2"))
		}
	}
}

func client(tb testing.TB, servers ...string) *resolver.Client {
	tb.Helper()
	c, err := resolver.New(resolver.Options{Servers: servers, Timeout: 5 * time.Second})
	if err != nil {
		tb.Fatal(err)
	}
	return c
}

// With the real resolver equal questions are sent once, and all of it is remembered.
func TestQuestionsAreSharedAndRemembered(t *testing.T) {
	t.Parallel()
	var zen, tests, texts atomic.Int64
	answer := spamhaus(t)
	l := New(Options{Resolver: client(t, nameServer(t, func(q dns.Question, out *dns.Msg) {
		switch {
		case q.Qtype == dns.TypeTXT:
			texts.Add(1)
		case strings.HasPrefix(q.Name, "1.0.0.127."):
			tests.Add(1)
		default:
			zen.Add(1)
		}
		time.Sleep(50 * time.Millisecond) // long enough for all to be under way
		answer(q, out)
	}))})
	asks := []Ask{ask(t, "zen.test=127.0.0.2 192.0.2.2"), ask(t, "zen.test=127.0.0.[2..4] 192.0.2.2"), ask(t, "zen.test=127.0.0.9 192.0.2.2"),
		ask(t, "zen.test 192.0.2.1")}
	for i := range 3 {
		for j, r := range l.Ask(t.Context(), asks) {
			if want := j < 2; r.Listed != want || (r.Text == "listed") != want || r.Err != nil {
				t.Errorf("%d, %d: %+v", i, j, r)
			}
		}
	}
	if zen.Load() != 2 || tests.Load() != 1 || texts.Load() != 1 {
		t.Errorf("%d questions, %d tests, %d texts", zen.Load(), tests.Load(), texts.Load())
	}
}

// What is remembered is doubted like any answer: also by a Lister that does not know the zone yet.
func TestRememberedIsDoubted(t *testing.T) {
	t.Parallel()
	c := client(t, nameServer(t, func(q dns.Question, out *dns.Msg) {
		if strings.HasPrefix(q.Name, "1.0.0.127.") {
			time.Sleep(50 * time.Millisecond) // the test question is the last to be answered
		}
		out.Answer = append(out.Answer, record(t, q.Name+" 600 IN A 127.0.0.2"))
	}))
	if _, err := c.Ask(t.Context(), "2.2.0.192.world.test.", resolver.TypeA); err != nil {
		t.Fatal(err)
	}
	l, z := New(Options{Resolver: c}), []Zone{{Domain: "world.test", Weight: 1}}
	for i := range 3 {
		if score, hits := l.Score(t.Context(), z, netip.MustParseAddr("192.0.2.2")); score != 0 {
			t.Errorf("%d: %d by %v", i, score, hits)
		}
	}
}

// What is remembered costs neither a goroutine nor a context; a zone that is listed costs its codes and its text.
func TestRememberedIsCheap(t *testing.T) {
	l, asks := sixZones(t)
	if n := testing.AllocsPerRun(100, func() { l.Ask(t.Context(), asks) }); n > 8 {
		t.Errorf("%v allocations for six zones", n)
	}
}

func sixZones(tb testing.TB) (*Lister, []Ask) {
	l := New(Options{Resolver: client(tb, nameServer(tb, spamhaus(tb)))})
	var asks []Ask
	for _, zone := range []string{"zen.test=127.0.0.[2..11]", "zen.test=127.255.255.[1..255]", "b.barracuda.test", "bl.spamcop.test", "psbl.test", "ix.test"} {
		z, err := ParseZone(zone)
		if err != nil {
			tb.Fatal(err)
		}
		asks = append(asks, Ask{Zone: z, Addr: netip.MustParseAddr("192.0.2.77")})
	}
	l.Ask(tb.Context(), asks)
	return l, asks
}

func BenchmarkRemembered(b *testing.B) {
	l, asks := sixZones(b)
	b.ReportAllocs()
	for b.Loop() {
		l.Ask(b.Context(), asks)
	}
}
