// SPDX-License-Identifier: MIT

package queue_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"posthouse/mail"
	"posthouse/queue"
	"posthouse/queue/pebbledb"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// bench is a queue over a store in memory.
type bench struct {
	*queue.Queue
	t     testing.TB
	store *pebbledb.Store
}

// bubble runs f in fake time.
func bubble(t *testing.T, o queue.Options, f func(t *testing.T, b *bench)) {
	t.Helper()
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		fs := vfs.NewMem()
		b := newBench(t, fs, o)
		defer func() { b.shut() }()
		f(t, b)
	})
}

func newBench(t testing.TB, fs vfs.FS, o queue.Options) *bench {
	t.Helper()
	s, err := pebbledb.Open("/q", pebbledb.Options{FS: fs, Ballast: -1})
	if err != nil {
		t.Fatal(err)
	}
	o.Store = s
	o.Destination = mail.Path.Domain
	q, err := queue.New(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	return &bench{q, t, s}
}

func (b *bench) shut() {
	b.Close()
	if err := b.store.Close(); err != nil {
		b.t.Error(err)
	}
}

func address(t testing.TB, s string) mail.Path {
	t.Helper()
	p, err := mail.ParsePath("<"+s+">", false)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// send carries a message to the recipients.
func (b *bench) send(to ...string) mail.ID {
	b.t.Helper()
	return b.sendHeld("", to...)
}

func (b *bench) sendHeld(hold string, to ...string) mail.ID {
	b.t.Helper()
	env := &mail.Envelope{ID: mail.NewID(time.Now()), From: address(b.t, "a@sender.test"), Arrived: time.Now(), Hold: hold}
	for _, a := range to {
		p := address(b.t, a)
		env.Recipients = append(env.Recipients, mail.Recipient{To: p, Given: p})
	}
	msg := &mail.Message{Body: mail.Bytes("text\r\n")}
	if err := b.Carry(b.t.Context(), env, msg).Err(); err != nil {
		b.t.Fatal(err)
	}
	time.Sleep(time.Microsecond) // the next ID is later
	return env.ID
}

// claim expects one at once.
func (b *bench) claim() *queue.Claim {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.t.Context(), time.Nanosecond)
	defer cancel()
	c, err := b.Claim(ctx)
	if err != nil {
		b.t.Fatal(err)
	}
	return c
}

// idle expects that nothing can be claimed for a while.
func (b *bench) idle(d time.Duration) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.t.Context(), d)
	defer cancel()
	if c, err := b.Claim(ctx); !errors.Is(err, context.DeadlineExceeded) {
		b.t.Fatalf("claimed %+v, %v", c, err)
	}
}

func (b *bench) settle(c *queue.Claim, s queue.Settlement) {
	b.t.Helper()
	if err := b.Settle(b.t.Context(), c, s); err != nil {
		b.t.Fatal(err)
	}
}

func (b *bench) done(c *queue.Claim) { b.t.Helper(); b.settle(c, queue.Settlement{Done: c.Rows}) }

// postpone puts all rows off; dead too, if asked to.
func (b *bench) postpone(c *queue.Claim, d, dead time.Duration) {
	b.t.Helper()
	rows := slices.Clone(c.Rows)
	for i := range rows {
		rows[i].Due = time.Now().Add(d)
		rows[i].Attempts++
	}
	s := queue.Settlement{Put: rows}
	if dead > 0 {
		s.Dead = time.Now().Add(dead)
	}
	b.settle(c, s)
}

// states lists "address state", by message.
func (b *bench) states() (list []string) {
	b.t.Helper()
	for it, err := range b.List(b.t.Context(), queue.Filter{All: true}) {
		if err != nil {
			b.t.Fatal(err)
		}
		list = append(list, fmt.Sprintf("%s %s", it.Envelope.Recipients[it.Row.N].To, it.State))
	}
	return list
}

func TestCarriedMailIsClaimedAndDone(t *testing.T) {
	bubble(t, queue.Options{}, func(t *testing.T, b *bench) {
		id := b.send("x@a.test", "y@b.test", "z@a.test")
		c := b.claim()
		if c.ID != id || c.Destination != "a.test" || len(c.Rows) != 2 || c.Rows[1].N != 2 {
			t.Errorf("first claim is %+v", c)
		}
		if env, msg, err := b.Load(t.Context(), id); err != nil || len(env.Recipients) != 3 || msg.Body.Size() != 6 {
			t.Errorf("loaded %+v %+v %v", env, msg, err)
		}
		d := b.claim()
		b.idle(time.Hour)
		b.done(c)
		b.done(d)
		b.idle(time.Hour)
		if list := b.states(); len(list) > 0 {
			t.Errorf("left: %v", list)
		}
	})
}

func TestClaimWaitsForMail(t *testing.T) {
	bubble(t, queue.Options{}, func(t *testing.T, b *bench) {
		got := make(chan *queue.Claim)
		go func() {
			c, _ := b.Claim(t.Context())
			got <- c
		}()
		synctest.Wait()
		id := b.send("x@a.test")
		if c := <-got; c.ID != id {
			t.Errorf("got %+v", c)
		}
	})
}

func TestDestinationsTakeTurns(t *testing.T) {
	bubble(t, queue.Options{Window: 4}, func(t *testing.T, b *bench) {
		for range 9 {
			b.send("x@many.test")
		}
		b.send("x@few.test")
		b.send("x@other.test")
		seen := map[string]int{}
		for range 6 {
			c := b.claim()
			seen[c.Destination]++
			b.done(c)
		}
		if seen["few.test"] != 1 || seen["other.test"] != 1 {
			t.Errorf("claims by destination: %v", seen)
		}
		for range 5 {
			b.done(b.claim())
		}
		b.idle(time.Second)
	})
}

func TestDeferredMailComesBackWhenItIsDue(t *testing.T) {
	bubble(t, queue.Options{}, func(t *testing.T, b *bench) {
		b.send("x@a.test")
		b.postpone(b.claim(), 10*time.Minute, 0)
		b.idle(10*time.Minute - time.Second)
		time.Sleep(2 * time.Second)
		if c := b.claim(); c.Rows[0].Attempts != 1 {
			t.Errorf("got %+v", c.Rows)
		}
	})
}

func TestDeadDestinationCostsOneClaimAndHoldsUpNobody(t *testing.T) {
	bubble(t, queue.Options{Window: 3}, func(t *testing.T, b *bench) {
		for range 10 {
			b.send("x@dead.test")
		}
		b.postpone(b.claim(), 5*time.Minute, 20*time.Minute)
		b.send("y@dead.test")
		b.idle(time.Minute)
		b.send("x@well.test")
		if c := b.claim(); c.Destination != "well.test" {
			t.Errorf("got %+v", c)
		} else {
			b.done(c)
		}
		b.idle(18 * time.Minute)
		time.Sleep(2 * time.Minute)
		probe := b.claim()
		b.idle(time.Minute) // one finds out for all
		b.done(probe)
		for range 10 {
			b.done(b.claim())
		}
		b.idle(time.Hour)
	})
}

func TestOverdueMailOfADeadDestinationIsJudged(t *testing.T) {
	bubble(t, queue.Options{Overdue: 10 * time.Minute}, func(t *testing.T, b *bench) {
		for range 3 {
			b.send("x@dead.test")
		}
		b.postpone(b.claim(), 50*time.Minute, 55*time.Minute)
		b.idle(9 * time.Minute)
		time.Sleep(2 * time.Minute)
		for range 2 {
			c := b.claim()
			if !c.Suspended {
				t.Errorf("got %+v", c)
			}
			b.postpone(c, 40*time.Minute, 0)
		}
		b.idle(25 * time.Minute)
	})
}

func TestConcurrencyIsCountedPerNextHop(t *testing.T) {
	hub := func(d string) string {
		if d == "alone.test" {
			return d
		}
		return "hub"
	}
	bubble(t, queue.Options{Concurrency: 2, NextHop: hub}, func(t *testing.T, b *bench) {
		for _, d := range []string{"a", "b", "c", "d"} {
			b.send("x@"+d+".test", "y@"+d+".test")
			b.send("x@" + d + ".test")
		}
		c, d := b.claim(), b.claim()
		b.idle(time.Second)
		b.send("x@alone.test")
		b.done(b.claim())
		b.idle(time.Second)
		b.done(c)
		e := b.claim()
		b.idle(time.Second)
		b.done(d)
		b.done(e)
		for range 5 {
			b.done(b.claim())
		}
		b.idle(time.Second)
	})
}

func TestTune(t *testing.T) {
	bubble(t, queue.Options{Concurrency: 1}, func(t *testing.T, b *bench) {
		for range 3 {
			b.send("x@a.test")
		}
		c := b.claim()
		b.idle(time.Second)
		b.Tune(queue.Options{Concurrency: 2})
		b.done(c)
		b.claim()
		b.claim()
		b.idle(time.Second)
	})
}

func TestTotalBoundsAllClaims(t *testing.T) {
	bubble(t, queue.Options{Total: 2}, func(t *testing.T, b *bench) {
		b.send("x@a.test")
		b.send("x@b.test")
		b.send("x@c.test")
		c := b.claim()
		b.claim()
		b.idle(time.Second)
		b.Abandon(c)
		b.claim()
	})
}

func TestAbandonedRowsAreAsBefore(t *testing.T) {
	bubble(t, queue.Options{}, func(t *testing.T, b *bench) {
		b.send("x@a.test")
		c := b.claim()
		b.Abandon(c)
		if d := b.claim(); d.ID != c.ID || d.Rows[0] != c.Rows[0] {
			t.Errorf("got %+v, had %+v", d, c)
		}
	})
}

func TestRestartMakesClaimsDueAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		fs := vfs.NewMem()
		b := newBench(t, fs, queue.Options{})
		id := b.send("x@a.test")
		b.send("x@b.test")
		b.claim()
		b.postpone(b.claim(), time.Minute, time.Hour)
		b.shut()
		b = newBench(t, fs, queue.Options{})
		defer func() { b.shut() }()
		if c := b.claim(); c.ID != id {
			t.Errorf("got %+v", c)
		}
		b.idle(50 * time.Second)
		time.Sleep(11 * time.Second)
		b.claim() // back-off is in memory alone
	})
}

func TestTimesFarAwayAreClamped(t *testing.T) {
	bubble(t, queue.Options{Window: 2}, func(t *testing.T, b *bench) {
		for range 5 {
			b.send("x@a.test")
		}
		for range 5 {
			b.postpone(b.claim(), 300*24*time.Hour, 0)
		}
		b.idle(66 * time.Minute)
		time.Sleep(2 * time.Minute)
		for range 5 {
			b.done(b.claim())
		}
		b.idle(time.Hour)
	})
}

func TestSettlementMustNameEveryRowOnce(t *testing.T) {
	bubble(t, queue.Options{}, func(t *testing.T, b *bench) {
		b.send("x@a.test", "y@a.test")
		for _, bad := range []func(r []queue.Row) queue.Settlement{
			func(r []queue.Row) queue.Settlement { return queue.Settlement{} },
			func(r []queue.Row) queue.Settlement { return queue.Settlement{Done: r[:1]} },
			func(r []queue.Row) queue.Settlement { return queue.Settlement{Done: r, Put: r} },
			func(r []queue.Row) queue.Settlement { return queue.Settlement{Done: append(r, queue.Row{ID: "x"})} },
		} {
			c := b.claim()
			if err := b.Settle(t.Context(), c, bad(slices.Clone(c.Rows))); err == nil {
				t.Error("settled")
			}
		}
		b.done(b.claim())
	})
}

func TestSettlementAddsItsReport(t *testing.T) {
	bubble(t, queue.Options{}, func(t *testing.T, b *bench) {
		b.send("x@a.test")
		c := b.claim()
		to := address(t, "a@sender.test")
		report := queue.Entry{
			Envelope: &mail.Envelope{ID: mail.NewID(time.Now()), Recipients: []mail.Recipient{{To: to, Given: to}}},
			Message:  &mail.Message{Body: mail.Bytes("failed\r\n")},
		}
		b.settle(c, queue.Settlement{Done: c.Rows, Add: []queue.Entry{report}})
		if d := b.claim(); d.ID != report.Envelope.ID || d.Destination != "sender.test" {
			t.Errorf("got %+v", d)
		}
	})
}

func TestMessageWithoutRecipientsIsRefused(t *testing.T) {
	bubble(t, queue.Options{}, func(t *testing.T, b *bench) {
		env := &mail.Envelope{ID: mail.NewID(time.Now())}
		if b.Carry(t.Context(), env, &mail.Message{Body: mail.Bytes("")}).Err() == nil {
			t.Error("carried")
		}
	})
}

func TestCloseEndsClaim(t *testing.T) {
	bubble(t, queue.Options{}, func(t *testing.T, b *bench) {
		got := make(chan error)
		go func() {
			_, err := b.Claim(t.Context())
			got <- err
		}()
		synctest.Wait()
		b.Close()
		if err := <-got; !errors.Is(err, queue.ErrClosed) {
			t.Errorf("got %v", err)
		}
	})
}
