// SPDX-License-Identifier: MIT

package policy

import (
	"slices"
	"sync"
	"time"

	"posthouse/mail"
)

// How much is remembered of refused messages.
const (
	maxTrails      = 1000
	maxTrailOctets = 8 << 20
)

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

// Trails are the last 1000 refusals, or fewer if they have long stories: strangers choose how many names there are to ask
// about. The zero Trails is empty; several goroutines may use it.
type Trails struct {
	mu     sync.Mutex
	kept   []Record // the oldest first
	octets int
}

// Add remembers a refusal; the oldest go.
func (t *Trails) Add(r Record) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.kept = append(t.kept, r)
	t.octets += r.size()
	for len(t.kept) > maxTrails || t.octets > maxTrailOctets {
		t.octets -= t.kept[0].size()
		t.kept[0] = Record{}
		t.kept = t.kept[1:]
	}
}

// size is about what a record takes in memory. Words that stand in the configuration are counted too.
func (r *Record) size() int {
	const fixed, step = 256, 112
	n := fixed + len(r.HELO) + len(r.From) + len(r.To) + len(r.Reply) + step*cap(r.Steps)
	for _, s := range r.Steps {
		n += len(s.Rule) + len(s.Asked) + len(s.Answer)
	}
	return n
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
	n = max(min(n, len(t.kept)), 0)
	return slices.Clone(t.kept[len(t.kept)-n:])
}
