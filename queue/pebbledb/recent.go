// SPDX-License-Identifier: MIT

package pebbledb

import (
	"sync"
	"time"

	"posthouse/mail"
	"posthouse/queue"
)

// recent remembers the rows of messages that were just added. Most mail is delivered in seconds and at the first attempt:
// all its rows are done at once, and nothing need be read to forget it. What is here is exactly what the store has;
// whatever else touches a message takes it out of here first.
type recent struct {
	mu    sync.Mutex
	known map[mail.ID]known
	ring  [recentMost]mail.ID // in order of adding; the oldest is overwritten
	next  int
}

// Bounds of recent: messages, and rows of one message.
const (
	recentMost = 2048
	recentRows = 4
)

type known struct {
	rows []knownRow
	file string // of the body
}

// knownRow is what the index key is made of.
type knownRow struct {
	n           int
	destination string
	due         time.Time
	held        bool
}

// add is called when the message is committed and before anybody else can know it.
func (r *recent) add(id mail.ID, k known) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.known == nil {
		r.known = make(map[mail.ID]known)
	}
	delete(r.known, r.ring[r.next])
	r.ring[r.next] = id
	r.next = (r.next + 1) % recentMost
	r.known[id] = k
}

// take forgets a message here and returns what was known of it.
func (r *recent) take(id mail.ID) (known, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	k, ok := r.known[id]
	delete(r.known, id)
	return k, ok
}

// knownOf is what to remember of a message, if it is not too much.
func knownOf(e *queue.Entry, file string) (known, bool) {
	if len(e.Rows) > recentRows {
		return known{}, false
	}
	k := known{rows: make([]knownRow, len(e.Rows)), file: file}
	for i := range e.Rows {
		r := &e.Rows[i]
		k.rows[i] = knownRow{r.N, r.Destination, r.Due, r.Held}
	}
	return k, true
}

// all reports that done are all the rows, each once.
func (k *known) all(done []queue.Row) bool {
	if len(done) != len(k.rows) {
		return false
	}
	for i := range k.rows {
		if !hasRow(done, k.rows[i].n) {
			return false
		}
	}
	return true
}

func hasRow(rows []queue.Row, n int) bool {
	for i := range rows {
		if rows[i].N == n {
			return true
		}
	}
	return false
}
