// SPDX-License-Identifier: MIT

//go:build linux

package loop

import (
	"net"
	"slices"
	"testing"
)

// One loop at a time listens, and the door goes to the one with the fewest sessions: sessions that stay are spread evenly,
// also after some have ended.
func TestDoorsTakeTurns(t *testing.T) {
	t.Parallel()
	l := newLab(t, Options{Loops: 3}, Front{})
	var clients []net.Conn
	fill := func(n int) {
		for len(clients) < n {
			c, _ := l.pair(t)
			clients = append(clients, c)
		}
	}
	fill(90)
	l.even(t, 90)
	for _, c := range clients[:60] { // the eldest, from all loops
		c.(*net.TCPConn).SetLinger(0)
		c.Close()
	}
	clients = clients[60:]
	for n := range 60 {
		l.result(t, n)
	}
	fill(90)
	l.even(t, 90)
}

// even wants no loop with much more than another, and every door to be the matter of one loop.
func (l *lab) even(t *testing.T, sessions int64) {
	t.Helper()
	var each []int64
	listening := 0
	for _, lp := range l.all {
		lp.call(func() {
			each = append(each, lp.sessions.Load())
			for _, d := range lp.doors {
				if d.mine {
					listening++
				}
			}
		})
	}
	least, most := slices.Min(each), slices.Max(each)
	if each[0]+each[1]+each[2] != sessions || most > least+least/4+leastLead+1 {
		t.Errorf("sessions: %v", each)
	}
	if listening > 1 { // none while it is on the way
		t.Errorf("%d loops listen at one door", listening)
	}
}
