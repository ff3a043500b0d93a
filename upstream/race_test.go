// SPDX-License-Identifier: MIT

package upstream

import (
	"math/rand/v2"
	"net/netip"
	"sync"
	"testing"
	"time"
)

// TestManyAtOnce is for the race detector; and at the end nobody has a connection.
func TestManyAtOnce(t *testing.T) {
	t.Parallel()
	for _, method := range []string{RoundRobin, LeastConn, Hash} {
		o := Options{Method: method, SlowStart: time.Millisecond}
		lines := []Server{server("192.0.2.1", weight(3)), server("a.test", nil), server("192.0.2.3", backup)}
		g, next := NewPlaced(lines, o), NewPlaced(lines, o)
		g.Place(1, addrs("192.0.2.2"))
		next.Inherit(g)
		var wg sync.WaitGroup
		for i := range 8 {
			wg.Go(func() {
				r := rand.New(rand.NewPCG(uint64(i), 1))
				for range 500 {
					visitAtRandom(r, []*Group{g, next}[i%2])
				}
			})
		}
		wg.Go(func() {
			for i := range 200 {
				g.Place(1, addrs("192.0.2.2", "192.0.2.4")[:1+i%2])
				g.Members()[0].SetHealthy(i%2 == 0, "")
				next.Members()[0].Drain(i%3 == 0)
			}
		})
		wg.Wait()
		for _, m := range g.Members() {
			if n := m.Status().Conns; n != 0 {
				t.Errorf("%s: %s has %d connections", method, m.Name(), n)
			}
		}
	}
}

func visitAtRandom(r *rand.Rand, g *Group) {
	v := Visit{Client: netip.AddrFrom4([4]byte{203, 0, 113, byte(r.IntN(256))})}
	for m := g.Pick(&v); m != nil; m = g.Pick(&v) {
		if r.IntN(3) > 0 {
			m.OK()
			m.Release()
			return
		}
		m.Fail()
		m.Release()
	}
}

func threeServers(method string) *Group {
	return New([]Server{server("192.0.2.1", nil), server("192.0.2.2", weight(2)), server("192.0.2.3", nil)}, Options{Method: method})
}

// Nothing is allocated for a choice but the visit itself.
func TestPickAllocatesNothing(t *testing.T) {
	for _, method := range []string{RoundRobin, LeastConn, Hash} {
		g := threeServers(method)
		v := new(Visit)
		if n := testing.AllocsPerRun(100, func() { pickOnce(g, v) }); n != 0 {
			t.Errorf("%s: %v allocations", method, n)
		}
	}
}

func pickOnce(g *Group, v *Visit) {
	*v = Visit{Client: netip.AddrFrom4([4]byte{203, 0, 113, 7})}
	m := g.Pick(v)
	m.OK()
	m.Release()
}

func BenchmarkPick(b *testing.B) {
	for _, method := range []string{RoundRobin, LeastConn, Hash} {
		b.Run(method, func(b *testing.B) {
			g, v := threeServers(method), new(Visit)
			b.ReportAllocs()
			for b.Loop() {
				pickOnce(g, v)
			}
		})
	}
}
