// SPDX-License-Identifier: MIT

package upstream

import (
	"cmp"
	"encoding/binary"
	"hash/crc32"
	"net/netip"
	"slices"
	"strings"
)

// What NGINX took from Cache::Memcached::Fast: points of a server on the ring for each unit of weight, and how many points
// that lead to nobody are passed before turns decide.
const (
	pointsPerWeight = 160
	maxTries        = 20
)

// ring is the points of a tier by their hash. All addresses of a name share its points.
type ring []point

type point struct {
	hash uint32
	name string // of the server
}

// line is a server on the ring.
type line struct {
	name   string
	weight int
}

// encircle makes the ring, if other servers stand on it than before: addresses of a name come and go without.
func (t *tier) encircle() {
	var lines []line
	for _, m := range t.members {
		if l := (line{m.name, m.Weight}); !slices.Contains(lines, l) {
			lines = append(lines, l)
		}
	}
	if !slices.Equal(lines, t.lines) {
		t.lines, t.ring = lines, newRing(lines)
	}
}

// newRing makes it: CRC-32 of host, NUL, port and the point before, the first from 0. Of two points on one spot the server
// that is first in the list has it.
func newRing(lines []line) ring {
	var r ring
	for _, l := range lines {
		base := crc32.ChecksumIEEE([]byte(ringKey(l.name)))
		var before [4]byte
		for range pointsPerWeight * l.weight {
			hash := crc32.Update(base, crc32.IEEETable, before[:])
			r = append(r, point{hash, l.name})
			binary.LittleEndian.PutUint32(before[:], hash)
		}
	}
	slices.SortStableFunc(r, func(a, b point) int { return cmp.Compare(a.hash, b.hash) })
	return slices.CompactFunc(r, func(a, b point) bool { return a.hash == b.hash })
}

// ringKey is the host as written, with the brackets of an IPv6 address, and the port; or the path, and none.
func ringKey(name string) string {
	if path, ok := strings.CutPrefix(name, "unix:"); ok {
		return path + "\x00"
	}
	i := max(0, strings.LastIndexByte(name, ':'))
	return name[:i] + "\x00" + strings.TrimPrefix(name[i:], ":")
}

// first is the first point at or after a hash; past the last one it is the length, which means the first again.
func (r ring) first(hash uint32) int {
	i, _ := slices.BinarySearchFunc(r, hash, func(p point, h uint32) int { return cmp.Compare(p.hash, h) })
	return i
}

// hash goes around the ring from the client's point. After too many points of servers that cannot be used, and in a group
// of one, turns decide.
func (c *choice) hash(t *tier) *Member {
	v := c.v
	if !v.placed {
		v.point, v.placed = t.ring.first(clientHash(v.Client)), true
	}
	for ; v.tries <= maxTries && !c.g.single; v.tries++ {
		if m := c.roundRobin(t.members, t.ring[v.point%len(t.ring)].name); m != nil {
			return m
		}
		v.point++
	}
	return c.roundRobin(t.members, "")
}

// clientHash is the CRC-32 of the address as text, as NGINX's $remote_addr has it. An IPv6 client is its /64, since the
// rest changes by the day (RFC 8981); NGINX takes all of it.
func clientHash(client netip.Addr) uint32 {
	client = client.Unmap()
	if !client.IsValid() {
		return textHash([]byte("unix:"))
	}
	if client.Is6() {
		if p, err := client.WithZone("").Prefix(64); err == nil {
			client = p.Addr()
		}
	}
	var text [48]byte
	return textHash(client.AppendTo(text[:0]))
}

// textHash is crc32.ChecksumIEEE for a few bytes, which need not go to the heap for it.
func textHash(text []byte) uint32 {
	hash := ^uint32(0)
	for _, b := range text {
		hash = crc32.IEEETable[byte(hash)^b] ^ hash>>8
	}
	return ^hash
}
