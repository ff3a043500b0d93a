// SPDX-License-Identifier: MIT

package queue

import (
	"context"
	"errors"
	"iter"
	"slices"
	"strings"
	"time"

	"posthouse/mail"
)

// State of a recipient, as an operator sees it.
type State string

const (
	Active   State = "active"   // in a claim
	Due      State = "due"      // may be tried; its destination may be backed off
	Deferred State = "deferred" // waits for its time
	Held     State = "held"
)

// Filter chooses recipients: those that fit everything that is set. An empty one must say All.
type Filter struct {
	All         bool
	IDs         []mail.ID
	Destination string
	Sender      string // an address, "@domain", or "<>"
	Recipient   string // an address or "@domain"
	State       State

	none bool
}

// ErrNoFilter protects from acting on everything by mistake.
var ErrNoFilter = errors.New("no message chosen: name queue ids, a destination, a sender, a recipient or a state, or say all")

func (f *Filter) check() error {
	if !f.All && len(f.IDs) == 0 && f.Destination == "" && f.Sender == "" && f.Recipient == "" && f.State == "" {
		return ErrNoFilter
	}
	return nil
}

func (f *Filter) active() bool { return !f.none }

// only narrows the filter to some messages, or to nothing.
func (f Filter) only(ids []mail.ID) Filter {
	slices.Sort(ids)
	f.IDs = slices.Compact(ids)
	f.none = len(ids) == 0
	return f
}

// Item is one line of a list.
type Item struct {
	Row      Row
	Envelope *mail.Envelope
	State    State
	Until    time.Time // its destination is backed off until then; zero: it is not
}

// List goes through the recipients by message. It shows each as it was at some moment during the walk. An error need not
// be the end: a damaged record is reported and passed over.
func (q *Queue) List(ctx context.Context, f Filter) iter.Seq2[Item, error] {
	return func(yield func(Item, error) bool) {
		for it, err := range q.items(ctx, f, true) {
			if !yield(it, err) {
				return
			}
		}
	}
}

// scan is List without envelopes that nobody needs, so that what has lost its own can be acted on; its errors are final.
func (q *Queue) scan(ctx context.Context, f Filter) iter.Seq2[Row, error] {
	return func(yield func(Row, error) bool) {
		for it, err := range q.items(ctx, f, f.Sender != "" || f.Recipient != "") {
			if !yield(it.Row, err) || err != nil {
				return
			}
		}
	}
}

func (q *Queue) items(ctx context.Context, f Filter, envelopes bool) iter.Seq2[Item, error] {
	return func(yield func(Item, error) bool) {
		var env *mail.Envelope
		for row, err := range q.rows(ctx, &f) {
			if err != nil {
				if !yield(Item{}, err) {
					return
				}
				continue
			}
			if envelopes && (env == nil || env.ID != row.ID) {
				env, err = q.o.Store.Envelope(ctx, row.ID)
			}
			if errors.Is(err, ErrNotFound) && !q.waits(ctx, &row) {
				continue // gone since
			}
			it := q.item(row, env)
			if err == nil && !f.matches(&it) {
				continue
			}
			if !yield(it, err) {
				return
			}
		}
	}
}

// waits tells a message that has lost its envelope from one that has left the queue since its row was read.
func (q *Queue) waits(ctx context.Context, row *Row) bool {
	for r, err := range q.o.Store.Rows(ctx, row.ID) {
		if err == nil && (r.ID != row.ID || r.N >= row.N) {
			return r.ID == row.ID && r.N == row.N
		}
	}
	return false
}

// rows are all of the store's, or those of the messages that the filter names.
func (q *Queue) rows(ctx context.Context, f *Filter) iter.Seq2[Row, error] {
	if len(f.IDs) == 0 {
		return q.o.Store.Rows(ctx, "")
	}
	return func(yield func(Row, error) bool) {
		for _, id := range f.IDs {
			for row, err := range q.o.Store.Rows(ctx, id) {
				if err == nil && row.ID != id {
					break
				}
				if !yield(row, err) {
					return
				}
			}
		}
	}
}

func (q *Queue) item(row Row, env *mail.Envelope) Item {
	q.mu.Lock()
	defer q.mu.Unlock()
	it := Item{Row: row, Envelope: env, State: Deferred}
	if d := q.destinations[row.Destination]; d != nil {
		it.Until = d.until
	}
	switch {
	case q.busy[keyOf(&row)]:
		it.State = Active
	case row.Held:
		it.State = Held
	case !row.Due.After(q.o.Now()):
		it.State = Due
	}
	return it
}

func (f *Filter) matches(it *Item) bool {
	if f.State != "" && f.State != it.State || f.Destination != "" && f.Destination != it.Row.Destination {
		return false
	}
	if f.Sender != "" && !matchPath(f.Sender, it.Envelope.From) {
		return false
	}
	if f.Recipient == "" {
		return true
	}
	n := it.Row.N
	return n < len(it.Envelope.Recipients) && matchPath(f.Recipient, it.Envelope.Recipients[n].To)
}

// matchPath compares without regard to case: an operator means the mailbox, not its spelling.
func matchPath(pattern string, p mail.Path) bool {
	if p.IsNull() {
		return pattern == "<>"
	}
	if domain, ok := strings.CutPrefix(pattern, "@"); ok {
		return strings.EqualFold(domain, p.Domain())
	}
	return strings.EqualFold(strings.Trim(pattern, "<>"), p.String())
}
