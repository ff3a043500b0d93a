// SPDX-License-Identifier: MIT

package queue_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"posthouse/mail"
	"posthouse/queue"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// journal counts what became of each recipient, and catches one that two attempts have at the same time.
type journal struct {
	mu   sync.Mutex
	open map[string]bool
	done map[string]int
}

func (j *journal) begin(c *queue.Claim) error {
	j.mu.Lock()
	defer j.mu.Unlock()

	for _, r := range c.Rows {
		k := fmt.Sprint(r.ID, r.N)
		if j.open[k] || j.done[k] > 0 {
			return fmt.Errorf("%s is claimed twice, or again after it was done", k)
		}
		j.open[k] = true
	}
	return nil
}

func (j *journal) end(c *queue.Claim, done bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, r := range c.Rows {
		k := fmt.Sprint(r.ID, r.N)
		delete(j.open, k)
		if done {
			j.done[k]++
		}
	}
}

func (j *journal) finished() int {
	j.mu.Lock()
	defer j.mu.Unlock()
	return len(j.done)
}

// Every recipient is done once, whatever senders, workers and operators do at the same time.
func TestEveryRecipientIsDoneOnce(t *testing.T) {
	t.Parallel()
	const messages, senders, workers = 400, 4, 8
	hop := func(d string) string { return d[:1] }
	b := newBench(t, vfs.NewMem(), queue.Options{Window: 3, PerClaim: 2, Concurrency: 3, NextHop: hop, Overdue: time.Millisecond})
	defer b.shut()
	j := &journal{open: map[string]bool{}, done: map[string]int{}}
	ctx, cancel := context.WithCancel(t.Context())
	var all, work sync.WaitGroup
	total := make(chan int, senders)
	for i := range senders {
		all.Go(func() { total <- b.sendMany(messages/senders, uint64(i)) })
	}
	for i := range workers {
		work.Go(func() { b.workRandomly(ctx, j, uint64(i)) })
	}
	work.Go(func() { b.meddle(ctx) })
	all.Wait()
	want := 0
	for range senders {
		want += <-total
	}
	for deadline := time.Now().Add(30 * time.Second); j.finished() < want && time.Now().Before(deadline) && !t.Failed(); {
		time.Sleep(time.Millisecond)
	}
	cancel()
	work.Wait()
	if got := j.finished(); got != want {
		t.Errorf("%d of %d recipients are done; left: %v; %+v", got, want, b.states(), b.Stats())
	}
}

func (b *bench) sendMany(n int, seed uint64) (recipients int) {
	rng := rand.New(rand.NewPCG(seed, 1))
	for range n {
		var to []string
		for i := range 1 + rng.IntN(4) {
			to = append(to, fmt.Sprintf("u%d@%c%d.test", i, 'a'+rune(rng.IntN(3)), rng.IntN(3)))
		}
		b.send(to...)
		recipients += len(to)
	}
	return recipients
}

// workRandomly delivers, defers, gives up and takes hosts for dead.
func (b *bench) workRandomly(ctx context.Context, j *journal, seed uint64) {
	rng := rand.New(rand.NewPCG(seed, 2))
	for {
		c, err := b.Claim(ctx)
		if err != nil {
			if !errors.Is(err, context.Canceled) {
				b.t.Error(err)
			}
			return
		}
		if err := j.begin(c); err != nil {
			b.t.Error(err)
		}
		s := queue.Settlement{Done: c.Rows}
		switch rng.IntN(8) {
		case 0:
			j.end(c, false)
			b.Abandon(c)
			continue
		case 1, 2:
			s = queue.Settlement{Put: slices.Clone(c.Rows)}
			for i := range s.Put {
				s.Put[i].Due = time.Now().Add(rand.N(5 * time.Millisecond))
				s.Put[i].Attempts++
			}
			if rng.IntN(3) == 0 {
				s.Dead = time.Now().Add(rand.N(5 * time.Millisecond))
			}
		}
		j.end(c, s.Done != nil)
		if err := b.Settle(ctx, c, s); err != nil {
			b.t.Error(err)
		}
	}
}

// meddle is an operator who holds, releases and retries without end.
func (b *bench) meddle(ctx context.Context) {
	f := queue.Filter{Sender: "@sender.test"}
	for ctx.Err() == nil {
		for _, act := range []act{(*queue.Queue).Hold, (*queue.Queue).Release, (*queue.Queue).Retry} {
			if _, err := act(b.Queue, ctx, f); err != nil && ctx.Err() == nil {
				b.t.Error(err)
			}
		}
		for _, err := range b.List(ctx, queue.Filter{State: queue.Held}) {
			if err != nil && ctx.Err() == nil {
				b.t.Error(err)
			}
		}
	}
	if _, err := b.Release(context.WithoutCancel(ctx), f); err != nil {
		b.t.Error(err)
	}
}

// BenchmarkQueue is Carry, Claim, Load and Settle over a store in memory: what scheduling costs.
func BenchmarkQueue(b *testing.B) {
	q := newBench(b, vfs.NewMem(), queue.Options{})
	to, _ := mail.ParsePath("<x@a.test>", false)
	ctx := context.Background()
	b.ReportAllocs()
	for b.Loop() {
		env := &mail.Envelope{ID: mail.NewID(time.Now()), Recipients: []mail.Recipient{{To: to, Given: to}}}
		if err := q.Carry(ctx, env, &mail.Message{Body: mail.Bytes("text")}).Err(); err != nil {
			b.Fatal(err)
		}
		c, err := q.Claim(ctx)
		if err != nil {
			b.Fatal(err)
		}
		if _, _, err := q.Load(ctx, c.ID); err != nil {
			b.Fatal(err)
		}
		if err := q.Settle(ctx, c, queue.Settlement{Done: c.Rows}); err != nil {
			b.Fatal(err)
		}
	}
	b.StopTimer()
	q.shut()
}
