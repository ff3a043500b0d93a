// SPDX-License-Identifier: MIT

package resolver

import (
	"container/list"
	"sync"
	"time"
)

// cache remembers findings up to a number of octets; the one not used for longest goes first.
type cache struct {
	now   func() time.Time
	limit int

	mu    sync.Mutex
	size  int
	known map[question]*list.Element
	used  *list.List // of *remembered, the last used in front
}

type remembered struct {
	question
	finding
	until time.Time
}

func newCache(limit int, now func() time.Time) *cache {
	return &cache{now: now, limit: limit, known: make(map[question]*list.Element), used: list.New()}
}

func (c *cache) get(q question) (finding, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e, ok := c.known[q]
	if !ok {
		return finding{}, false
	}
	r := e.Value.(*remembered)
	left := r.until.Sub(c.now())
	if left <= 0 {
		c.drop(e)
		return finding{}, false
	}
	c.used.MoveToFront(e)
	f := r.finding
	f.answer.TTL = left
	return f, true
}

// put remembers f. An answer that would take more than an eighth of all room is asked for again each time.
func (c *cache) put(q question, f finding) {
	if f.ttl <= 0 || f.octets > c.limit/8 {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if e, ok := c.known[q]; ok {
		c.drop(e)
	}
	c.known[q] = c.used.PushFront(&remembered{q, f, c.now().Add(f.ttl)})
	for c.size += f.octets; c.size > c.limit; {
		c.drop(c.used.Back())
	}
}

func (c *cache) drop(e *list.Element) {
	r := c.used.Remove(e).(*remembered)
	delete(c.known, r.question)
	c.size -= r.octets
}
