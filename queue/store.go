// SPDX-License-Identifier: MIT

package queue

import (
	"context"
	"errors"
	"iter"
	"time"

	"posthouse/mail"
)

// ErrNotFound means that the message is not in the store (any more).
var ErrNotFound = errors.New("not in the queue")

// ErrDamaged means that what the store has of a message is not what it wrote. To try again does not help.
var ErrDamaged = errors.New("record is damaged")

// Row is one waiting recipient. Claims live in memory alone, so a restart has nothing to repair.
type Row struct {
	ID          mail.ID
	N           int    // index in Envelope.Recipients
	Destination string // fairness and back-off key, from Queue.Destination; the route is looked up at the claim
	Held        bool
	Due         time.Time
	Attempts    int
	Delayed     bool // the delay warning was sent
	Last        mail.Result
}

// Entry is a message to add. Rows name recipients by N; a recipient without a row is done already (discarded).
type Entry struct {
	Envelope *mail.Envelope
	Message  *mail.Message
	Rows     []Row
}

// Change is applied whole or not at all: a receipt, a settlement with the DSNs it causes, an operator's wish.
type Change struct {
	Add  []Entry
	Put  []Row // a row that is not there any more is passed over, never made again
	Done []Row // a message's last row takes record and body along
	Lazy bool  // a crash may undo it: work is repeated, nothing lost; refused together with Add
}

// Destination is one key that has rows that are not held.
type Destination struct {
	Name string
	Due  time.Time // the earliest
}

// Store is the durable half; Queue schedules above it. Open (of the implementation) locks the directory against a second process.
type Store interface {
	mail.Spool
	Apply(ctx context.Context, c Change) error                                       // nil: synced. After one failed sync this and all later calls fail
	Load(ctx context.Context, id mail.ID) (*mail.Envelope, *mail.Message, error)     // or ErrNotFound, ErrDamaged
	Envelope(ctx context.Context, id mail.ID) (*mail.Envelope, error)                // of Load, without its body
	Due(ctx context.Context, destination string, by time.Time, n int) ([]Row, error) // oldest first
	Destinations(ctx context.Context) iter.Seq2[Destination, error]                  // once each, with earliest Due
	Rows(ctx context.Context, from mail.ID) iter.Seq2[Row, error]                    // by ID and N, held too
	Close() error
}
