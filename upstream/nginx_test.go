// SPDX-License-Identifier: MIT

package upstream

import (
	"fmt"
	"hash/crc32"
	"math/rand/v2"
	"net/netip"
	"sort"
	"strings"
	"testing"
	"time"

	"posthouse/config"
)

// What follows is NGINX's choice once more, told from what it does, with its own clumsiness and none of ours: a table of
// peers, a second table for the backups, bits for who was tried. Time is a number of nanoseconds.

type peer struct {
	name                             string
	weight, effective, current       int
	maxFails, maxConns, conns, fails int
	accessed, checked, failTimeout   int64
	down                             bool
}

type peers struct {
	peer   []*peer
	single bool
	points []peerPoint
	next   *peers
}

type peerPoint struct {
	hash uint32
	name string
}

// request is what NGINX keeps of one session.
type request struct {
	method  string
	peers   *peers
	tried   map[int]bool
	current *peer
	hash    int
	tries   int
}

func (p *peers) request(method, key string) *request {
	r := &request{method: method, peers: p, tried: map[int]bool{}}
	if method == Hash {
		h := crc32.ChecksumIEEE([]byte(key))
		r.hash = sort.Search(len(p.points), func(i int) bool { return p.points[i].hash >= h })
	}
	return r
}

func (p *peers) hashed() {
	for _, s := range p.peer {
		i := strings.LastIndex(s.name, ":")
		base := s.name[:i] + "\x00" + s.name[i+1:]
		prev := [4]byte{}
		for range s.weight * 160 {
			h := crc32.ChecksumIEEE(append([]byte(base), prev[:]...))
			p.points = append(p.points, peerPoint{h, s.name})
			prev = [4]byte{byte(h), byte(h >> 8), byte(h >> 16), byte(h >> 24)}
		}
	}
	sort.SliceStable(p.points, func(i, j int) bool { return p.points[i].hash < p.points[j].hash })
	kept := p.points[:1]
	for _, x := range p.points[1:] {
		if x.hash != kept[len(kept)-1].hash {
			kept = append(kept, x)
		}
	}
	p.points = kept
}

func (r *request) skip(i int, now int64) bool {
	p := r.peers.peer[i]
	return r.tried[i] || p.down ||
		p.maxFails > 0 && p.fails >= p.maxFails && now-p.checked <= p.failTimeout ||
		p.maxConns > 0 && p.conns >= p.maxConns
}

func (r *request) get(now int64) *peer {
	switch {
	case r.peers.single:
	case r.method == LeastConn:
		return r.getLeastConn(now)
	case r.method == Hash && r.tries <= 20:
		return r.getHash(now)
	}
	return r.getRoundRobin(now)
}

func (r *request) getRoundRobin(now int64) *peer {
	if r.peers.single {
		p := r.peers.peer[0]
		if p.down || p.maxConns > 0 && p.conns >= p.maxConns {
			return nil
		}
		p.conns++
		r.current = p
		return p
	}
	best, total := -1, 0
	for i, p := range r.peers.peer {
		if r.skip(i, now) {
			continue
		}
		p.current += p.effective
		total += p.effective
		if p.effective < p.weight {
			p.effective++
		}
		if best < 0 || p.current > r.peers.peer[best].current {
			best = i
		}
	}
	if best < 0 {
		return r.failed(now)
	}
	r.peers.peer[best].current -= total
	return r.chosen(best, now)
}

func (r *request) getLeastConn(now int64) *peer {
	best, many := -1, false
	for i, p := range r.peers.peer {
		if r.skip(i, now) {
			continue
		}
		if best < 0 || p.conns*r.peers.peer[best].weight < r.peers.peer[best].conns*p.weight {
			best, many = i, false
		} else if p.conns*r.peers.peer[best].weight == r.peers.peer[best].conns*p.weight {
			many = true
		}
	}
	if best < 0 {
		return r.failed(now)
	}
	total := 0
	if many {
		for i := best; i < len(r.peers.peer); i++ {
			p, b := r.peers.peer[i], r.peers.peer[best]
			if r.skip(i, now) || p.conns*b.weight != b.conns*p.weight {
				continue
			}
			p.current += p.effective
			total += p.effective
			if p.effective < p.weight {
				p.effective++
			}
			if p.current > b.current {
				best = i
			}
		}
	}
	r.peers.peer[best].current -= total
	return r.chosen(best, now)
}

func (r *request) getHash(now int64) *peer {
	for {
		name := r.peers.points[r.hash%len(r.peers.points)].name
		best, total := -1, 0
		for i, p := range r.peers.peer {
			if r.skip(i, now) || p.name != name {
				continue
			}
			p.current += p.effective
			total += p.effective
			if p.effective < p.weight {
				p.effective++
			}
			if best < 0 || p.current > r.peers.peer[best].current {
				best = i
			}
		}
		if best >= 0 {
			r.peers.peer[best].current -= total
			return r.chosen(best, now)
		}
		r.hash++
		if r.tries++; r.tries > 20 {
			return r.getRoundRobin(now)
		}
	}
}

func (r *request) chosen(i int, now int64) *peer {
	p := r.peers.peer[i]
	r.tried[i] = true
	r.current = p
	p.conns++
	if now-p.checked > p.failTimeout {
		p.checked = now
	}
	return p
}

func (r *request) failed(now int64) *peer {
	if r.peers.next == nil {
		return nil
	}
	r.peers, r.tried = r.peers.next, map[int]bool{}
	return r.get(now)
}

// fail is free with NGX_PEER_FAILED, without the connection's end.
func (r *request) fail(now int64) {
	p := r.current
	if r.peers.single {
		return
	}
	p.fails++
	p.accessed, p.checked = now, now
	if p.maxFails > 0 {
		p.effective -= p.weight / p.maxFails
	}
	if p.effective < 0 {
		p.effective = 0
	}
}

// connected is notify.
func (r *request) connected() {
	if r.current.accessed < r.current.checked {
		r.current.fails = 0
	}
}

// pair is one group in both worlds.
type pair struct {
	c      *clock
	g      *Group
	theirs *peers
	peerOf map[*Member]*peer
}

func newPair(r *rand.Rand, method string) *pair {
	p := &pair{c: start(), theirs: &peers{}, peerOf: map[*Member]*peer{}}
	var servers []Server
	for i := range 1 + r.IntN(6) {
		servers = append(servers, randomServer(r, fmt.Sprintf("192.0.2.%d", i+1-r.IntN(2)), false)) // some are there twice
	}
	if method != Hash {
		for i := range r.IntN(4) {
			servers = append(servers, randomServer(r, fmt.Sprintf("198.51.100.%d", i+1), true))
		}
	}
	spare := &peers{}
	for _, s := range servers {
		x := &peer{name: s.Address.String(), weight: s.Weight, effective: s.Weight, maxFails: s.MaxFails, maxConns: s.MaxConns,
			failTimeout: int64(s.FailTimeout), down: s.Down}
		if s.Backup {
			spare.peer = append(spare.peer, x)
		} else {
			p.theirs.peer = append(p.theirs.peer, x)
		}
	}
	if len(spare.peer) > 0 {
		p.theirs.next = spare
	}
	p.theirs.single = len(servers) == 1
	p.theirs.hashed()
	p.g = New(servers, Options{Method: method, Now: p.c.now})
	all := append(append([]*peer{}, p.theirs.peer...), spare.peer...)
	for i, m := range p.g.Members() {
		p.peerOf[m] = all[i]
	}
	return p
}

func randomServer(r *rand.Rand, host string, backup bool) Server {
	return server(host, func(s *Server) {
		s.Backup = backup
		s.Weight = 1 + r.IntN(5)
		s.MaxFails = r.IntN(4)
		s.FailTimeout = config.Duration(1+r.IntN(15)) * config.Duration(time.Second)
		s.Down = r.IntN(10) == 0
		if r.IntN(2) == 0 {
			s.MaxConns = 1 + r.IntN(5)
		}
	})
}

// asNginx is Pick without those that are out.
func asNginx(g *Group, v *Visit) *Member {
	c := choice{g: g, v: v, now: g.o.Now()}
	for ; v.pass < desperately; c.next() {
		if m := c.best(); m != nil {
			c.take(m)
			return m
		}
	}
	return nil
}

// TestSameAsNginx goes through random failures, sessions and pauses with both, and compares each choice.
func TestSameAsNginx(t *testing.T) {
	t.Parallel()
	for _, method := range []string{RoundRobin, LeastConn, Hash} {
		t.Run(method, func(t *testing.T) {
			t.Parallel()
			r := rand.New(rand.NewPCG(1, 2))
			const groups, steps = 250, 400 // 100,000
			seen := map[string]int{}
			for n := range groups {
				p := newPair(r, method)
				walk := &walk{pair: p, r: r, method: method, seen: seen, whole: n%2 == 0}
				for step := range steps {
					if err := walk.step(); err != nil {
						t.Fatalf("group %d, step %d: %v", n, step, err)
					}
				}
			}
			for _, what := range []string{"ok", "failed", "gave up", "none", "ended", "waited"} {
				if seen[what] < 1000 {
					t.Errorf("%s: only %d times", what, seen[what])
				}
			}
		})
	}
}

// walk is one group's random life.
type walk struct {
	*pair
	r      *rand.Rand
	method string
	whole  bool // seconds
	live   []session
	seen   map[string]int
}

type session struct {
	m *Member
	p *peer
}

func (w *walk) step() error {
	switch w.r.IntN(5) {
	case 0:
		d := time.Duration(w.r.IntN(6)) * time.Second
		if !w.whole {
			d = time.Duration(w.r.Int64N(int64(6 * time.Second)))
		}
		w.c.Time = w.c.Add(d)
		w.seen["waited"]++
	case 1:
		w.end()
	default:
		return w.visit()
	}
	return nil
}

func (w *walk) end() {
	if len(w.live) == 0 {
		return
	}
	i := w.r.IntN(len(w.live))
	w.live[i].m.Release()
	w.live[i].p.conns--
	w.live = append(w.live[:i], w.live[i+1:]...)
	w.seen["ended"]++
}

func (w *walk) visit() error {
	client := netip.AddrFrom4([4]byte{203, 0, 113, byte(w.r.IntN(256))})
	v, q := &Visit{Client: client}, w.theirs.request(w.method, client.String())
	for {
		m, p := asNginx(w.g, v), q.get(w.c.UnixNano())
		if err := w.same(m, p); err != nil || p == nil {
			w.seen["none"]++
			return err
		}
		switch w.r.IntN(6) {
		case 0, 1, 2:
			w.seen["ok"]++
			m.OK()
			q.connected()
			w.live = append(w.live, session{m, p})
			return nil
		case 3:
			w.seen["gave up"]++
			m.Release()
			p.conns--
			return nil
		}
		w.seen["failed"]++
		m.Fail()
		m.Release()
		q.fail(w.c.UnixNano())
		p.conns--
		if q.peers.single {
			return nil
		}
	}
}

// same compares the choice, and then all that both know of the servers.
func (w *walk) same(m *Member, p *peer) error {
	switch {
	case m == nil && p == nil:
		return nil
	case m == nil:
		return fmt.Errorf("nobody, NGINX %s", p.name)
	case p == nil:
		return fmt.Errorf("%s, NGINX nobody", m.Name())
	case w.peerOf[m] != p:
		return fmt.Errorf("%s, NGINX %s", m.Name(), p.name)
	}
	for _, m := range w.g.Members() {
		p := w.peerOf[m]
		if m.conns != p.conns || m.effective != p.effective || !w.g.single && m.current != int64(p.current)*unit ||
			m.MaxFails > 0 && m.fails != p.fails {
			return fmt.Errorf("%s: %+v, NGINX %+v", m.Name(), m.state, p)
		}
	}
	return nil
}
