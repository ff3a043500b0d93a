// SPDX-License-Identifier: MIT

// Package queue schedules accepted mail: who is tried next, and what became of it.
//
// RFC 5321 4.5.4.1 asks for a queue whose failed attempts are repeated with growing intervals for days, and for mail to a
// host in trouble not to hold up the rest. Two things share the work. A Store is durable and does not schedule; package
// pebbledb has one. A Queue schedules and has no I/O of its own.
//
// State is per recipient, a Row. On disk a row is deferred (it has a time) or held (it has none); that it is being tried is
// known in memory alone, as a Claim, so a restart has nothing to repair: what was under way is due again. In memory stands
// one small entry a destination and a bounded window of rows that are due, never one entry a message. Destinations take
// turns. One whose host is dead is passed over until a time that only memory knows: its backlog costs no writes, and a
// single claim finds out whether the host is back.
//
// When a row is tried again, when it expires and what its sender is told is for delivery to say, in a Settlement.
package queue

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"posthouse/mail"
	"posthouse/reply"
)

// Queue schedules a Store's rows: fair between destinations, bounded per next hop. It is a mail.Carrier: Carry commits
// the message and nil is the 250. Make it with New. It starts no goroutine; one timer wakes waiting calls of Claim.
type Queue struct {
	o Options

	mu           sync.Mutex
	changed      sync.Cond               // there may be something to claim
	destinations map[string]*destination // those with rows that are not held
	ready        ring                    // destinations that may have something to claim, in turn
	urgent       []*Claim                // rows that an operator wants returned, out of turn
	sleeping     sleepers                // destinations that wait for a time
	timer        *time.Timer
	hops         map[string]*hop
	active       int             // claims
	acts         int             // operators' acts under way
	busy         map[key]bool    // rows in the hands of a claim, a Carry or an operator's act
	wishes       map[key]wish    // what an operator wants of rows in a claim
	watches      map[*watch]bool // reads of the store that are under way
	closed       bool
}

// key names a row.
type key struct {
	id mail.ID
	n  int
}

func keyOf(r *Row) key { return key{r.ID, r.N} }

// Options of a Queue. Store and Destination are required. Zero values of the others mean what stands in brackets.
type Options struct {
	Store       Store
	Destination func(mail.Path) string          // key for fairness and back-off
	NextHop     func(destination string) string // key for concurrency, asked at the claim; nil: the destination
	Concurrency int                             // claims at once per next hop [20]
	Total       int                             // claims at once in all [100]
	Window      int                             // rows in memory per destination [100]
	PerClaim    int                             // rows in one claim [100]
	MaxBackoff  time.Duration                   // retry.maximum: clamp for Due after a clock jump [67m]
	// Overdue lets rows of a dead destination be claimed, as Suspended, that are due for longer: their delay warning and
	// their expiry do not wait for the host to come back. [0: never]
	Overdue time.Duration
	Now     func() time.Time // [time.Now]
}

const (
	defaultConcurrency = 20
	defaultMaxBackoff  = 67 * time.Minute
)

func (o *Options) setDefaults() error {
	if o.Store == nil || o.Destination == nil {
		return errors.New("queue: Store and Destination are required")
	}
	if o.NextHop == nil {
		o.NextHop = func(destination string) string { return destination }
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	setDefault(&o.Concurrency, defaultConcurrency)
	setDefault(&o.Total, 100)
	setDefault(&o.Window, 100)
	setDefault(&o.PerClaim, 100)
	setDefault(&o.MaxBackoff, defaultMaxBackoff)
	return nil
}

func setDefault[T int | time.Duration](v *T, to T) {
	if *v <= 0 {
		*v = to
	}
}

// New loads the destinations (not the messages) of the store.
func New(ctx context.Context, o Options) (*Queue, error) {
	if err := o.setDefaults(); err != nil {
		return nil, err
	}
	q := &Queue{
		o: o, destinations: map[string]*destination{}, hops: map[string]*hop{},
		busy: map[key]bool{}, wishes: map[key]wish{}, watches: map[*watch]bool{},
	}
	q.changed.L = &q.mu
	q.mu.Lock()
	defer q.mu.Unlock()
	for d, err := range o.Store.Destinations(ctx) {
		if err != nil {
			return nil, fmt.Errorf("load the queue: %w", err)
		}
		q.noteDue(d.Name, d.Due)
	}
	return q, nil
}

// Tune puts another Concurrency, MaxBackoff and Overdue in force; the rest of o is not looked at.
func (q *Queue) Tune(o Options) {
	setDefault(&o.Concurrency, defaultConcurrency)
	setDefault(&o.MaxBackoff, defaultMaxBackoff)
	q.mu.Lock()
	defer q.mu.Unlock()
	q.o.Concurrency, q.o.MaxBackoff, q.o.Overdue = o.Concurrency, o.MaxBackoff, o.Overdue
	q.changed.Broadcast()
}

// Close ends all waiting calls of Claim and stops the timer. The store is its owner's to close, after it.
func (q *Queue) Close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
	if q.timer != nil {
		q.timer.Stop()
	}
	q.changed.Broadcast()
}

// Stats is what the queue knows without asking the store.
type Stats struct {
	Claims       int // under way
	Destinations int // with rows that are not held
	BackedOff    int // of these, with a host taken for dead
}

// Stats costs a step for each destination.
func (q *Queue) Stats() Stats {
	q.mu.Lock()
	defer q.mu.Unlock()
	s := Stats{Claims: q.active, Destinations: len(q.destinations)}
	now := q.o.Now()
	for _, d := range q.destinations {
		if now.Before(d.until) {
			s.BackedOff++
		}
	}
	return s
}

// Load is the store's.
func (q *Queue) Load(ctx context.Context, id mail.ID) (*mail.Envelope, *mail.Message, error) {
	return q.o.Store.Load(ctx, id)
}

// Envelope is the store's.
func (q *Queue) Envelope(ctx context.Context, id mail.ID) (*mail.Envelope, error) {
	return q.o.Store.Envelope(ctx, id)
}

// Carry adds the message, synced. Rows are due at once, or held if env.Hold is set. With no recipients it fails. A commit
// that has begun runs to its end, whatever becomes of ctx.
func (q *Queue) Carry(ctx context.Context, env *mail.Envelope, msg *mail.Message) mail.Outcome {
	n := len(env.Recipients)
	err := q.apply(ctx, Change{Add: []Entry{{Envelope: env, Message: msg}}})
	if err != nil {
		return mail.All(n, mail.Result{Status: mail.Deferred, Reply: reply.For(err)})
	}
	return mail.All(n, mail.Result{Status: mail.Relayed, Reply: reply.OK.With("Ok: queued as %s", env.ID)})
}

// Import adds a message with the rows it had elsewhere; a row without a destination gets one.
func (q *Queue) Import(ctx context.Context, e Entry) error {
	return q.apply(ctx, Change{Add: []Entry{e}})
}

// apply commits a change whose Put and Done are busy already, keeps the rows it adds busy meanwhile, and shows all of
// them to their destinations afterwards. On an error everything is as before.
func (q *Queue) apply(ctx context.Context, c Change) error {
	var rows []Row
	for i := range c.Add {
		if err := q.fill(&c.Add[i]); err != nil {
			return err
		}
		rows = append(rows, c.Add[i].Rows...)
	}
	q.mark(rows)
	err := q.o.Store.Apply(ctx, c)
	q.mu.Lock()
	defer q.mu.Unlock()
	if err == nil {
		q.begin(context.WithoutCancel(ctx), rows)
		return nil
	}
	q.release(rows)
	for i := range rows {
		// A batch that fails may have become visible before it did.
		q.noteDue(rows[i].Destination, rows[i].Due)
	}
	return err
}

// fill makes rows for a message that has none yet, and completes those that it has.
func (q *Queue) fill(e *Entry) error {
	env := e.Envelope
	if len(env.Recipients) == 0 {
		return fmt.Errorf("message %s has no recipient", env.ID)
	}
	if e.Rows == nil {
		now := q.o.Now()
		e.Rows = make([]Row, len(env.Recipients))
		for i := range e.Rows {
			e.Rows[i] = Row{ID: env.ID, N: i, Due: now, Held: env.Hold != ""}
		}
	}
	for i := range e.Rows {
		r := &e.Rows[i]
		if r.N < 0 || r.N >= len(env.Recipients) {
			return fmt.Errorf("message %s has no recipient %d", env.ID, r.N)
		}
		r.ID = env.ID
		if r.Destination == "" {
			r.Destination = q.o.Destination(env.Recipients[r.N].To)
		}
	}
	return nil
}
