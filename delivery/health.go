// SPDX-License-Identifier: MIT

package delivery

import (
	"sync"
	"time"

	"posthouse/mail"
)

// hop is what is known of a destination that could not be reached.
type hop struct {
	failures int         // rounds in a row
	found    time.Time   // when the last attempt ended that found it dead
	until    time.Time   // it is left alone until then
	last     mail.Result // what that attempt saw: it counts for all the mail there
}

// hops is the destinations that are dead, in memory alone: after a restart they are asked again. It has one entry a
// destination with mail, never one a message.
type hops struct {
	now func() time.Time

	mu     sync.Mutex
	retry  Retry
	dead   map[string]hop
	pruned time.Time
}

func newHops(r Retry, now func() time.Time) *hops {
	return &hops{retry: r, now: now, dead: map[string]hop{}}
}

// tune puts other times in force for what is found dead from now on.
func (h *hops) tune(r Retry) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.retry = r
}

// failed notes an attempt, begun then, that found the destination dead, and returns until when to leave it alone. All
// attempts that began before that are one round: a refused connection fails twenty times before the first is settled.
func (h *hops) failed(destination string, began time.Time, r mail.Result) time.Time {
	h.mu.Lock()
	defer h.mu.Unlock()
	old, known := h.dead[destination]
	if known && began.Before(old.until) {
		return old.until
	}
	now := h.now().Round(0) // by the wall clock, as all the queue's times: a jump must show
	h.prune(now)
	n := old.failures + 1
	h.dead[destination] = hop{failures: n, found: now, until: now.Add(h.retry.backoff(n)), last: r}
	return h.dead[destination].until
}

// prune forgets, now and then, destinations that nobody asked about for long: their mail was deleted or bounced meanwhile.
func (h *hops) prune(now time.Time) {
	if now.Sub(h.pruned) < time.Duration(h.retry.Maximum) {
		return
	}
	h.pruned = now
	for name, d := range h.dead {
		if now.Sub(d.until) > 2*time.Duration(h.retry.Maximum) {
			delete(h.dead, name)
		}
	}
}

// well forgets that it was dead.
func (h *hops) well(destination string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.dead, destination)
}

// get is what is known of a destination, false if it is well.
func (h *hops) get(destination string) (hop, bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	d, ok := h.dead[destination]
	return d, ok
}

// deadUntil is what a settlement has to say of a destination that it learned nothing about.
func (h *hops) deadUntil(destination string) time.Time {
	if d, dead := h.get(destination); dead && h.now().Before(d.until) {
		return d.until
	}
	return time.Time{}
}

// triedLately reports that the last attempt, by the wall clock, is no older than it must be.
func (h *hops) triedLately(destination string) bool {
	d, dead := h.get(destination)
	return dead && h.now().Sub(d.found) <= h.maximum()+jumpTolerance
}

func (h *hops) maximum() time.Duration {
	h.mu.Lock()
	defer h.mu.Unlock()
	return time.Duration(h.retry.Maximum)
}

// jumpTolerance is what a clock may be set by, or a claim may wait, without being taken for a jump.
const jumpTolerance = 5 * time.Minute
