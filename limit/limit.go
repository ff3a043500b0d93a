// SPDX-License-Identifier: MIT

// Package limit counts what clients do: how often in a time window (Counter), and how much at once (Gauge).
//
// Postfix keeps such counts in anvil(8), in windows that begin with a client's first visit and end all at once, so that a
// burst across the border passes twice. Here the window slides: what was counted in the window before weighs as much as
// is left of it. That needs two numbers a key and is exact for whoever is steady.
//
// Keys are what strangers bring along, so there are at most so many; the one not seen for longest goes first. A limit of
// requests is a judgement of the caller: this package returns numbers.
package limit

import (
	"container/list"
	"math"
	"net/netip"
	"sync"
	"time"
)

// DefaultMax is how many keys a Counter keeps unless told otherwise: about 20 MiB of them.
const DefaultMax = 100_000

// Options of a Counter.
type Options struct {
	Window time.Duration    // one minute if zero
	Max    int              // keys kept; DefaultMax if zero
	Now    func() time.Time // time.Now if nil
}

// Counter counts events by key in a sliding window. It is safe for concurrent use.
type Counter struct {
	window time.Duration
	max    int
	now    func() time.Time

	mu   sync.Mutex
	keys map[string]*list.Element
	used list.List // of *count, the one used last in front
}

type count struct {
	key      string
	begin    time.Time // of the window that current belongs to
	current  int
	previous int // of the window before it
}

// New returns a Counter with nothing counted.
func New(o Options) *Counter {
	c := &Counter{window: o.Window, max: o.Max, now: o.Now, keys: make(map[string]*list.Element)}
	if c.window <= 0 {
		c.window = time.Minute
	}
	if c.max <= 0 {
		c.max = DefaultMax
	}
	if c.now == nil {
		c.now = time.Now
	}
	return c
}

// Add counts n events for key and returns how many there are in the window that ends now, these among them. With n = 0 it
// only asks; n is never negative.
func (c *Counter) Add(key string, n int) (total int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.now()
	c.expire(now)
	e, ok := c.keys[key]
	switch {
	case ok:
		c.used.MoveToFront(e)
	case n == 0:
		return 0
	default:
		e = c.insert(key, now)
	}
	k := e.Value.(*count)
	k.advance(now, c.window)
	k.current += n
	return k.total(now, c.window)
}

// Len is the number of keys kept.
func (c *Counter) Len() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.keys)
}

func (c *Counter) insert(key string, now time.Time) *list.Element {
	if len(c.keys) >= c.max {
		c.remove(c.used.Back())
	}
	e := c.used.PushFront(&count{key: key, begin: now})
	c.keys[key] = e
	return e
}

// expire drops keys whose counts no longer matter. Two for every Add are enough to keep up with what comes in, and no
// Add has to clean up after a flood.
func (c *Counter) expire(now time.Time) {
	for range 2 {
		e := c.used.Back()
		if e == nil || now.Sub(e.Value.(*count).begin) < 2*c.window {
			return
		}
		c.remove(e)
	}
}

func (c *Counter) remove(e *list.Element) {
	delete(c.keys, e.Value.(*count).key)
	c.used.Remove(e)
}

// advance moves the window on to the one that now is in.
func (k *count) advance(now time.Time, window time.Duration) {
	windows := now.Sub(k.begin) / window
	switch {
	case windows <= 0: // also when the clock was set back
		return
	case windows == 1:
		k.previous = k.current
	default:
		k.previous = 0
	}
	k.current = 0
	k.begin = k.begin.Add(windows * window)
}

// total weighs the window before by how much of it is still in view, rounded up.
func (k *count) total(now time.Time, window time.Duration) int {
	left := min(window-now.Sub(k.begin), window)
	return k.current + int(math.Ceil(float64(k.previous)*float64(left)/float64(window)))
}

// Client is the key for a client's address: an IPv4 address, or the /64 of an IPv6 one, since a single host commonly has
// all of that.
func Client(a netip.Addr) string {
	a = a.Unmap().WithZone("")
	if a.Is6() {
		if p, err := a.Prefix(64); err == nil {
			return p.String()
		}
	}
	return a.String()
}
