// SPDX-License-Identifier: MIT

package upstream

import (
	"hash/crc32"
	"net/netip"
	"slices"
	"strings"
	"testing"
)

// hashGroup has servers a to e, by their order.
func hashGroup(t *testing.T, addresses ...string) (*Group, map[string]string) {
	t.Helper()
	var servers []Server
	letters := map[string]string{}
	for i, a := range addresses {
		text, weight, _ := strings.Cut(a, " ")
		s := server("", func(s *Server) { s.Weight = max(1, len(weight)) })
		if err := s.Address.UnmarshalText([]byte(text)); err != nil {
			t.Fatal(err)
		}
		servers = append(servers, s)
		letters[text] = string(rune('a' + i))
	}
	return New(servers, Options{Method: Hash}), letters
}

func pickFor(g *Group, client string) *Member {
	return g.Pick(&Visit{Client: netip.MustParseAddr(client)})
}

// What NGINX 1.22.1 answered to 127.0.0.1, 127.0.0.2 and so on.
func TestRingAsNginxHasIt(t *testing.T) {
	t.Parallel()
	const answers = "aaaedcbdddbabdceceeaeaaedbdeaedaababbaedeebbbebecebeebeecead"
	g, letters := hashGroup(t, "127.0.0.1:18401", "127.0.0.1:18402 ..", "[::1]:18403", "unix:/tmp/d.sock", "127.0.0.1:18405 ...")
	var got strings.Builder
	for i := range len(answers) {
		got.WriteString(letters[pickFor(g, netip.AddrFrom4([4]byte{127, 0, 0, byte(i + 1)}).String()).Name()])
	}
	if got.String() != answers {
		t.Errorf("\n%s, NGINX\n%s", got.String(), answers)
	}
}

// A client goes to one server, however often it comes; when that one is out, to another one, and only that client moves.
func TestHashIsStable(t *testing.T) {
	t.Parallel()
	g, _ := hashGroup(t, "192.0.2.1:143", "192.0.2.2:143", "192.0.2.3:143")
	before := map[string]*Member{}
	for i := range 200 {
		client := netip.AddrFrom4([4]byte{203, 0, 113, byte(i)}).String()
		before[client] = pickFor(g, client)
		if again := pickFor(g, client); again != before[client] {
			t.Fatalf("%s: %s, then %s", client, before[client].Name(), again.Name())
		}
	}
	out := g.Members()[1]
	out.Fail()
	used := map[*Member]int{}
	for client, m := range before {
		now := pickFor(g, client)
		used[m]++
		if now == out || m != out && now != m {
			t.Errorf("%s: %s, then %s", client, m.Name(), now.Name())
		}
	}
	if len(used) != 3 {
		t.Errorf("%d servers used", len(used))
	}
}

func TestHashOfClients(t *testing.T) {
	t.Parallel()
	for client, text := range map[string]string{
		"192.0.2.1":              "192.0.2.1",
		"::ffff:192.0.2.1":       "192.0.2.1",
		"2001:db8:1:2:3:4:5:6":   "2001:db8:1:2::",
		"2001:db8:1:2::1":        "2001:db8:1:2::",
		"fe80::1:2%eth0":         "fe80::",
		"ffff:ffff:ffff:ffff::1": "ffff:ffff:ffff:ffff::",
	} {
		if got, want := clientHash(netip.MustParseAddr(client)), crc32.ChecksumIEEE([]byte(text)); got != want {
			t.Errorf("%s: %08x, want %08x as %s", client, got, want, text)
		}
	}
	if got, want := clientHash(netip.Addr{}), crc32.ChecksumIEEE([]byte("unix:")); got != want {
		t.Errorf("a client on a socket: %08x, want %08x", got, want)
	}
}

// Past the last point the ring begins again.
func TestRingIsRound(t *testing.T) {
	t.Parallel()
	r := ring{{10, "a"}, {20, "b"}}
	for hash, want := range map[uint32]int{0: 0, 10: 0, 11: 1, 20: 1, 21: 2} {
		if got := r.first(hash); got != want {
			t.Errorf("first point from %d: %d, want %d", hash, got, want)
		}
	}
	g, _ := hashGroup(t, "192.0.2.1:143", "192.0.2.2:143")
	g.tiers[0].ring = ring{{0, "192.0.2.1:143"}, {1, "192.0.2.2:143"}}
	if got := pickFor(g, "192.0.2.9").Name(); got != "192.0.2.1:143" {
		t.Errorf("past the end: %s", got)
	}
}

// All addresses of a name share its points, and take turns.
func TestHashToNameWithAddresses(t *testing.T) {
	t.Parallel()
	g := NewPlaced([]Server{server("a.test", nil), server("192.0.2.9", nil)}, Options{Method: Hash})
	one := len(g.tiers[0].ring)
	g.Place(0, addrs("192.0.2.1", "192.0.2.2"))
	if got := len(g.tiers[0].ring); got != 2*one {
		t.Errorf("%d points, want %d", got, 2*one)
	}
	var seen []string
	for i := range 64 {
		client := netip.AddrFrom4([4]byte{203, 0, 113, byte(i)}).String()
		first, second := pickFor(g, client), pickFor(g, client)
		if first.Name() != second.Name() {
			t.Errorf("%s: %s, then %s", client, first.Name(), second.Name())
		}
		seen = append(seen, first.Addr().Addr().String(), second.Addr().Addr().String())
	}
	slices.Sort(seen)
	if got := strings.Join(slices.Compact(seen), " "); got != "192.0.2.1 192.0.2.2 192.0.2.9" {
		t.Errorf("used %s", got)
	}
}

// When all primaries are out, backups are chosen by the client's address too.
func TestHashHasBackups(t *testing.T) {
	t.Parallel()
	g := New([]Server{server("192.0.2.1", nil), server("192.0.2.2", nil), server("192.0.2.3", backup), server("192.0.2.4", backup)},
		Options{Method: Hash})
	for _, m := range g.Members()[:2] {
		m.Fail()
	}
	used := map[string]bool{}
	for i := range 64 {
		client := netip.AddrFrom4([4]byte{203, 0, 113, byte(i)}).String()
		m := pickFor(g, client)
		if again := pickFor(g, client); !m.Backup || again != m {
			t.Errorf("%s: %s, then %s", client, m.Name(), again.Name())
		}
		used[m.Name()] = true
	}
	if len(used) != 2 {
		t.Errorf("used %v", used)
	}
}

// After 20 points of servers that cannot be used, turns decide: nobody is missed.
func TestHashGivesUpTheRing(t *testing.T) {
	t.Parallel()
	servers := []Server{server("192.0.2.1", func(s *Server) { s.Weight, s.Down = 100, true }), server("192.0.2.2", nil)}
	g := New(servers, Options{Method: Hash})
	for i := range 200 {
		client := netip.AddrFrom4([4]byte{203, 0, 113, byte(i)}).String()
		if m := pickFor(g, client); m == nil || m.Address.Host != "192.0.2.2" {
			t.Fatalf("%s: %v", client, m)
		}
	}
}
