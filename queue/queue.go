// SPDX-License-Identifier: MIT

package queue

import (
	"context"
	"time"

	"posthouse/mail"
)

// Queue schedules a Store's rows: fair between destinations, bounded per next hop, no I/O of its own. It is a
// mail.Carrier: Carry commits the message and nil is the 250. Make it with New.
type Queue struct { /* todo */
}

// Options of a Queue. Store and Destination are required.
type Options struct {
	Store       Store
	Destination func(mail.Path) string          // key for fairness and back-off
	NextHop     func(destination string) string // key for concurrency, asked at the claim; nil: the destination
	Concurrency int                             // claims at once per next hop [20]
	Total       int                             // claims at once in all [100]
	MaxBackoff  time.Duration                   // retry.maximum: clamp for Due after a clock jump [67m]
	Now         func() time.Time
}

// New loads the destinations (not the messages) of the store.
func New(ctx context.Context, o Options) (*Queue, error) { panic("todo") }

// Claim is one message's due recipients in one destination, given to one attempt until Settle or Abandon.
type Claim struct {
	ID          mail.ID
	Destination string
	Rows        []Row
}

// Settlement says what became of a claim: every row of it in exactly one of Done and Put; Add are its DSNs. One Change.
type Settlement struct {
	Done, Put []Row
	Add       []Entry
	// Dead backs the whole destination off until then: nothing of it is claimed before, its other rows are not written.
	// Zero: the destination is well.
	Dead time.Time
}

// Carry adds the message, synced. Rows are due at once, or held if env.Hold is set. With no recipients it fails.
func (q *Queue) Carry(ctx context.Context, env *mail.Envelope, msg *mail.Message) mail.Outcome {
	panic("todo")
}

// Claim waits for the next claim, or returns ctx's error.
func (q *Queue) Claim(ctx context.Context) (*Claim, error) { panic("todo") }

// Load is the store's.
func (q *Queue) Load(ctx context.Context, id mail.ID) (*mail.Envelope, *mail.Message, error) {
	panic("todo")
}

// Settle ends a claim. A settlement of Done alone is lazy.
func (q *Queue) Settle(ctx context.Context, c *Claim, s Settlement) error { panic("todo") }

// Abandon ends a claim without a word: its rows are as before.
func (q *Queue) Abandon(c *Claim) { panic("todo") }
