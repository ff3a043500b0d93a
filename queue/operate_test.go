// SPDX-License-Identifier: MIT

package queue_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"posthouse/mail"
	"posthouse/queue"
)

type act func(*queue.Queue, context.Context, queue.Filter) (queue.Acted, error)

func (b *bench) act(a act, f queue.Filter, want queue.Acted) {
	b.t.Helper()
	if got, err := a(b.Queue, b.t.Context(), f); err != nil || got != want {
		b.t.Fatalf("acted on %+v, %v, not %+v", got, err, want)
	}
}

func (b *bench) expect(want ...string) {
	b.t.Helper()
	if got := b.states(); !slices.Equal(got, want) {
		b.t.Errorf("the queue is %q, not %q", got, want)
	}
}

var now = queue.Acted{Now: 1}

func TestHoldAndRelease(t *testing.T) {
	bubble(t, queue.Options{}, func(t *testing.T, b *bench) {
		b.sendHeld("rule", "h@a.test")
		id := b.send("x@a.test")
		b.postpone(b.claim(), time.Hour, 0)
		b.expect("h@a.test held", "x@a.test deferred")
		b.act((*queue.Queue).Hold, queue.Filter{IDs: []mail.ID{id}}, now)
		b.idle(2 * time.Hour)
		b.act((*queue.Queue).Hold, queue.Filter{All: true}, queue.Acted{})
		b.act((*queue.Queue).Retry, queue.Filter{All: true}, queue.Acted{})
		b.act((*queue.Queue).Release, queue.Filter{Recipient: "X@A.test"}, now)
		b.expect("h@a.test held", "x@a.test due")
		if c := b.claim(); c.ID != id {
			t.Errorf("got %+v", c)
		}
		b.idle(time.Hour)
	})
}

func TestHoldTakesRowsOutOfTheWindow(t *testing.T) {
	bubble(t, queue.Options{}, func(t *testing.T, b *bench) {
		b.send("x@a.test")
		b.send("y@a.test")
		b.act((*queue.Queue).Hold, queue.Filter{Recipient: "x@a.test"}, now)
		b.done(b.claim())
		b.idle(time.Hour)
		b.expect("x@a.test held")
	})
}

func TestDeleteByFilter(t *testing.T) {
	bubble(t, queue.Options{}, func(t *testing.T, b *bench) {
		b.send("x@a.test", "y@b.test")
		b.send("z@b.test")
		if _, err := b.Delete(t.Context(), queue.Filter{}); !errors.Is(err, queue.ErrNoFilter) {
			t.Errorf("an empty filter gives %v", err)
		}
		b.act((*queue.Queue).Delete, queue.Filter{Sender: "@other.test"}, queue.Acted{})
		b.act((*queue.Queue).Delete, queue.Filter{Sender: "@sender.test", Destination: "b.test"}, queue.Acted{Now: 2})
		b.expect("x@a.test due")
		b.act((*queue.Queue).Delete, queue.Filter{State: queue.Due}, now)
		b.expect()
		b.idle(time.Hour)
	})
}

func TestRetryForgetsBackOff(t *testing.T) {
	bubble(t, queue.Options{}, func(t *testing.T, b *bench) {
		b.send("x@a.test")
		b.send("y@a.test")
		b.postpone(b.claim(), 30*time.Minute, time.Hour)
		b.idle(time.Minute)
		b.act((*queue.Queue).Retry, queue.Filter{Destination: "a.test"}, queue.Acted{Now: 2})
		b.done(b.claim())
		b.done(b.claim())
		b.expect()
	})
}

func TestActsOnClaimedRowsComeAfterTheAttempt(t *testing.T) {
	later := queue.Acted{Later: 1}
	tests := []struct {
		name string
		act  act
		want []string
	}{
		{"hold", (*queue.Queue).Hold, []string{"x@a.test held"}},
		{"delete", (*queue.Queue).Delete, nil},
		{"retry", (*queue.Queue).Retry, []string{"x@a.test due"}},
		{"release", (*queue.Queue).Release, []string{"x@a.test deferred"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, queue.Options{}, func(t *testing.T, b *bench) {
				b.send("x@a.test")
				c := b.claim()
				b.act(tt.act, queue.Filter{All: true}, later)
				b.expect("x@a.test active")
				b.postpone(c, time.Hour, 0)
				b.expect(tt.want...)
			})
		})
	}
}

func TestAbandonGrantsWishes(t *testing.T) {
	bubble(t, queue.Options{}, func(t *testing.T, b *bench) {
		b.send("x@a.test")
		c := b.claim()
		b.act((*queue.Queue).Delete, queue.Filter{All: true}, queue.Acted{Later: 1})
		b.Abandon(c)
		b.expect()
		b.idle(time.Hour)
	})
}

func TestTakeForReturn(t *testing.T) {
	bubble(t, queue.Options{}, func(t *testing.T, b *bench) {
		b.sendHeld("rule", "h@a.test", "i@b.test")
		b.send("x@a.test", "y@a.test")
		b.postpone(b.claim(), time.Hour, 0)
		b.send("z@a.test")
		tried := b.claim()
		claims, later, err := b.Take(t.Context(), queue.Filter{All: true}, 1000)
		if err != nil || later != 1 || len(claims) != 3 {
			t.Fatalf("took %d claims, %d later, %v", len(claims), later, err)
		}
		for _, c := range claims {
			if !c.Return {
				t.Errorf("got %+v", c)
			}
			b.done(c)
		}
		b.postpone(tried, time.Hour, 0)
		c := b.claim()
		if !c.Return || c.ID != tried.ID {
			t.Errorf("got %+v", c)
		}
		b.done(c)
		b.expect()
		b.idle(2 * time.Hour)
	})
}

// Rows that an operator wants returned while every claim there may be is under way: the claims that return them must not wait
// for a place that they hold themselves.
func TestReturnedClaimsNeedNoPlace(t *testing.T) {
	bubble(t, queue.Options{Total: 2}, func(t *testing.T, b *bench) {
		b.send("x@a.test")
		b.send("x@b.test")
		claims := []*queue.Claim{b.claim(), b.claim()}
		if _, later, err := b.Take(t.Context(), queue.Filter{All: true}, 1000); err != nil || later != 2 {
			t.Fatalf("%d later, %v", later, err)
		}
		for _, c := range claims {
			b.postpone(c, time.Hour, 0)
		}
		for range claims {
			c := b.claim()
			if !c.Return {
				t.Errorf("%+v is not to be returned", c)
			}
			b.done(c)
		}
		b.send("x@c.test")
		b.done(b.claim())
	})
}

// An attempt that was cut off leaves its rows to whoever wants them returned.
func TestReturnAfterAbandon(t *testing.T) {
	bubble(t, queue.Options{}, func(t *testing.T, b *bench) {
		b.send("x@a.test")
		c := b.claim()
		if _, later, err := b.Take(t.Context(), queue.Filter{All: true}, 1000); err != nil || later != 1 {
			t.Fatalf("%d later, %v", later, err)
		}
		b.Abandon(c)
		if c = b.claim(); !c.Return {
			t.Errorf("%+v is not to be returned", c)
		}
		b.done(c)
		b.idle(time.Hour)
	})
}

// afterCommit is a store that lets an operator act when a message can be seen already and its Carry has not ended yet.
type afterCommit struct {
	queue.Store
	do func()
}

func (s *afterCommit) Apply(ctx context.Context, c queue.Change) error {
	err := s.Store.Apply(ctx, c)
	if do := s.do; do != nil {
		s.do = nil
		do()
	}
	return err
}

func TestActsOnRowsThatAreBeingAddedComeAfterIt(t *testing.T) {
	tests := []struct {
		name string
		act  act
		want []string
	}{
		{"hold", (*queue.Queue).Hold, []string{"x@a.test held"}},
		{"delete", (*queue.Queue).Delete, nil},
		{"retry", (*queue.Queue).Retry, []string{"x@a.test due"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, queue.Options{}, func(t *testing.T, b *bench) {
				store := b.intercept()
				store.do = func() { b.act(tt.act, queue.Filter{All: true}, queue.Acted{Later: 1}) }
				b.send("x@a.test")
				b.expect(tt.want...)
			})
		})
	}
}

func TestReturnOfRowsThatAreBeingAddedComesAfterIt(t *testing.T) {
	bubble(t, queue.Options{}, func(t *testing.T, b *bench) {
		store := b.intercept()
		store.do = func() {
			if _, later, err := b.Take(t.Context(), queue.Filter{All: true}, 10); later != 1 || err != nil {
				t.Errorf("%d follow later, %v", later, err)
			}
		}
		b.send("x@a.test")
		if c := b.claim(); !c.Return {
			t.Errorf("got %+v", c)
		}
	})
}

// A report that is queued by a settlement is held as well.
func TestActsOnReportsThatAreBeingAddedComeAfterIt(t *testing.T) {
	bubble(t, queue.Options{}, func(t *testing.T, b *bench) {
		store := b.intercept()
		b.send("x@a.test")
		c := b.claim()
		to := address(t, "a@sender.test")
		env := &mail.Envelope{ID: mail.NewID(time.Now()), Recipients: []mail.Recipient{{To: to, Given: to}}}
		store.do = func() { b.act((*queue.Queue).Hold, queue.Filter{IDs: []mail.ID{env.ID}}, queue.Acted{Later: 1}) }
		b.settle(c, queue.Settlement{Done: c.Rows, Add: []queue.Entry{{Envelope: env, Message: &mail.Message{Body: mail.Bytes("text\r\n")}}}})
		b.expect("a@sender.test held")
	})
}

// intercept puts an afterCommit between the queue and its store.
func (b *bench) intercept() *afterCommit {
	b.t.Helper()
	b.Close()
	store := &afterCommit{Store: b.store}
	q, err := queue.New(b.t.Context(), queue.Options{Store: store, Destination: mail.Path.Domain})
	if err != nil {
		b.t.Fatal(err)
	}
	b.Queue = q
	return store
}
