// SPDX-License-Identifier: MIT

package maillab

import (
	"math/rand/v2"
	"net"
	"strconv"
	"sync"
	"testing"
)

// Listen opens a TCP listener on a free port of 127.0.0.1, closed with the test.
func Listen(t testing.TB) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

// FreePort returns a port of 127.0.0.1 that was free a moment ago, for programs that cannot be given port 0. It lies below
// the range from which the kernel takes ports for outgoing connections, so that none of those takes it in between.
func FreePort(t testing.TB) int {
	t.Helper()
	return FreeBase(t, 0)
}

// FreeBase returns a base for which base+standard is free on 127.0.0.1 for each standard port.
func FreeBase(t testing.TB, standard ...int) int {
	t.Helper()
	for range 200 {
		base := 10000 + rand.IntN(20000)
		if handedOut.take(base, standard) {
			return base
		}
	}
	t.Fatalf("found no base with free ports for %v", standard)
	return 0
}

// handedOut are the ports of this process's tests, which run side by side: what one was given and does not listen on yet looks
// free to the next one.
var handedOut = ports{taken: map[int]bool{}}

type ports struct {
	mu    sync.Mutex
	taken map[int]bool
}

// take gives the ports out, all of them or none.
func (p *ports) take(base int, standard []int) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, s := range standard {
		if p.taken[base+s] || !free(base+s) {
			return false
		}
	}
	for _, s := range standard {
		p.taken[base+s] = true
	}
	return true
}

func free(port int) bool {
	l, err := net.Listen("tcp", Local(port))
	if err != nil {
		return false
	}
	l.Close()
	return true
}

// Local is the address of a port on 127.0.0.1.
func Local(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }
