// SPDX-License-Identifier: MIT

package limit

import "sync"

// Gauge counts what is going on at once by key, such as connections of a client. Its keys are bounded by what is going on.
// The zero Gauge is ready for use.
type Gauge struct {
	mu     sync.Mutex
	counts map[string]int
}

// Acquire counts one more for key unless that would be more than limit, which it reports. A limit of 0 is none: it is counted
// all the same, so that a Release fits when the limit was changed in between.
func (g *Gauge) Acquire(key string, limit int) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if limit > 0 && g.counts[key] >= limit {
		return false
	}
	if g.counts == nil {
		g.counts = make(map[string]int)
	}
	g.counts[key]++
	return true
}

// Release counts one less. Every Acquire that was granted needs one.
func (g *Gauge) Release(key string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	switch n := g.counts[key]; {
	case n > 1:
		g.counts[key] = n - 1
	case n == 1:
		delete(g.counts, key)
	default:
		panic("limit: Release without Acquire")
	}
}

// Count is how many are held for key.
func (g *Gauge) Count(key string) int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.counts[key]
}

// Len is the number of keys for which any are held.
func (g *Gauge) Len() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return len(g.counts)
}
