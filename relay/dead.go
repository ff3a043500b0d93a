// SPDX-License-Identifier: MIT

package relay

import (
	"sync"
	"time"
)

// graveyard remembers addresses that did not answer, so that each message for one of the many domains behind a dead host
// does not wait for it anew. It only changes the order of trying: the last address is tried, dead or not.
type graveyard struct {
	now   func() time.Time
	mu    sync.Mutex
	lying map[string]grave
}

type grave struct {
	until time.Time
	pause time.Duration
}

// Bounds of the back-off, and of the memory that strangers' addresses may take.
const (
	firstPause = time.Minute
	lastPause  = 15 * time.Minute
	maxGraves  = 10_000
)

func newGraveyard(now func() time.Time) *graveyard {
	return &graveyard{now: now, lying: make(map[string]grave)}
}

// add doubles the pause of an address.
func (g *graveyard) add(address string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if _, ok := g.lying[address]; !ok && len(g.lying) >= maxGraves {
		for some := range g.lying {
			delete(g.lying, some)
			break
		}
	}
	pause := min(max(firstPause, 2*g.lying[address].pause), lastPause)
	g.lying[address] = grave{g.now().Add(pause), pause}
}

func (g *graveyard) clear(address string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.lying, address)
}

// living is the targets that are not known to be dead; if all are, the one whose pause ends first.
func (g *graveyard) living(all []target) []target {
	g.mu.Lock()
	defer g.mu.Unlock()
	now := g.now()
	out := make([]target, 0, len(all))
	soonest := 0
	for i, t := range all {
		until := g.lying[t.address].until
		if !now.Before(until) {
			out = append(out, t)
		}
		if until.Before(g.lying[all[soonest].address].until) {
			soonest = i
		}
	}
	if len(out) == 0 {
		return all[soonest : soonest+1]
	}
	return out
}
