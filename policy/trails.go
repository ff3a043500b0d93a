// SPDX-License-Identifier: MIT

package policy

import (
	"sync"
	"time"

	"posthouse/mail"
)

// maxTrails is how many refused messages are remembered.
const maxTrails = 1000

// Record is one refusal and how it came about.
type Record struct {
	ID     mail.ID   `json:"id"`
	Time   time.Time `json:"time"`
	Client string    `json:"client"`
	HELO   string    `json:"helo"`
	From   string    `json:"from"`
	To     string    `json:"to"`
	Reply  string    `json:"reply"`
	Steps  []Step    `json:"steps"`
}

// Trails are the last 1000 refusals. The zero Trails is empty; several goroutines may use it.
type Trails struct {
	mu   sync.Mutex
	ring []Record
	next int // where the oldest stands, once the ring is full
}

// Add remembers a refusal; the oldest goes.
func (t *Trails) Add(r Record) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.ring) < maxTrails {
		t.ring = append(t.ring, r)
		return
	}
	t.ring[t.next] = r
	t.next = (t.next + 1) % maxTrails
}

// Find are the refusals of one transaction, the oldest first: each of its recipients may have one.
func (t *Trails) Find(id mail.ID) []Record {
	var out []Record
	for _, r := range t.Last(maxTrails) {
		if r.ID == id {
			out = append(out, r)
		}
	}
	return out
}

// Last are the last n, the oldest first.
func (t *Trails) Last(n int) []Record {
	t.mu.Lock()
	defer t.mu.Unlock()
	n = max(min(n, len(t.ring)), 0)
	out := make([]Record, n)
	for i := range out {
		out[i] = t.ring[(t.next+len(t.ring)-n+i)%len(t.ring)]
	}
	return out
}
