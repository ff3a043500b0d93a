// SPDX-License-Identifier: MIT

package health

import (
	"context"
	"math/rand/v2"
	"sync"
	"time"
)

const (
	atOnce     = 16          // checks of one Runner side by side
	firstRound = time.Second // over which the first checks of new targets are spread
	jitter     = 10          // the part of the interval by which its length varies, so that no two Runners keep step
)

// Report tells of a server's first result, and then of each change; err is why it is unhealthy, nil if it is healthy.
type Report[K comparable] func(key K, err error)

// Runner checks servers again and again. K is what the caller knows a server by.
type Runner[K comparable] struct {
	config Config
	check  func(context.Context, Target) error
	report Report[K]
	slots  chan struct{}

	mu      sync.Mutex
	ctx     context.Context // of Run, while it runs
	watches map[K]*watch
	ended   sync.WaitGroup
}

// watch is one target under check.
type watch struct {
	target Target
	stop   context.CancelFunc // nil: not begun
}

// NewRunner makes one that has nothing to check yet, with the interval, rise and fall of a valid block. check is Checker.Check in
// general. Reports come one at a time, and must neither block nor call Set.
func NewRunner[K comparable](c Config, check func(context.Context, Target) error, report Report[K]) *Runner[K] {
	return &Runner[K]{config: c, check: check, report: report, slots: make(chan struct{}, atOnce), watches: make(map[K]*watch)}
}

// Set says what to check from now on. A server that stays, with the same target, keeps its counts; of one that is gone, or whose target
// is another now, no result is reported any more once Set has returned.
func (r *Runner[K]) Set(targets map[K]Target) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for key, w := range r.watches {
		if t, stays := targets[key]; !stays || t != w.target {
			w.end()
			delete(r.watches, key)
		}
	}
	for key, t := range targets {
		if r.watches[key] == nil {
			r.watches[key] = &watch{target: t}
			r.begin(key, r.watches[key])
		}
	}
}

func (w *watch) end() {
	if w.stop != nil {
		w.stop()
	}
}

// Run checks until ctx ends; then it stops at once, and what was under way is not reported.
func (r *Runner[K]) Run(ctx context.Context) {
	r.mu.Lock()
	r.ctx = ctx
	for key, w := range r.watches {
		r.begin(key, w)
	}
	r.mu.Unlock()
	<-ctx.Done()
	r.mu.Lock()
	r.ctx = nil // a Set begins nothing any more
	r.mu.Unlock()
	r.ended.Wait()
}

// begin starts to check one, if Run runs.
func (r *Runner[K]) begin(key K, w *watch) {
	if r.ctx == nil || r.ctx.Err() != nil {
		return
	}
	ctx, stop := context.WithCancel(r.ctx)
	w.stop = stop
	r.ended.Go(func() {
		defer stop()
		r.watch(ctx, key, w.target)
	})
}

// watch checks one until ctx ends. The first check comes soon, since clients may be waiting; the second at some time of the
// interval, and the others follow at its pace, so that the servers' turns are spread over it.
func (r *Runner[K]) watch(ctx context.Context, key K, t Target) {
	interval := time.Duration(r.config.Interval)
	count := counter{rise: r.config.Rise, fall: r.config.Fall}
	pause := rand.N(min(interval, firstRound))
	for n := 0; sleep(ctx, pause) && r.slot(ctx); n++ {
		began := time.Now()
		err := r.check(ctx, t)
		<-r.slots
		if count.add(err == nil) {
			r.tell(ctx, key, err)
		}
		next := interval - interval/jitter/2 + rand.N(interval/jitter)
		if n == 0 {
			next = rand.N(interval)
		}
		pause = next - time.Since(began)
	}
}

// sleep waits, and is false if ctx ended.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
	return ctx.Err() == nil
}

// slot waits for its turn among the checks that run side by side.
func (r *Runner[K]) slot(ctx context.Context) bool {
	select {
	case r.slots <- struct{}{}:
		return true
	case <-ctx.Done():
		return false
	}
}

// tell reports, unless the target was taken away meanwhile.
func (r *Runner[K]) tell(ctx context.Context, key K, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if ctx.Err() == nil {
		r.report(key, err)
	}
}

// counter makes a state of results: rise good ones running make it healthy, fall bad ones unhealthy. The first result counts by itself,
// since nothing speaks against it.
type counter struct {
	rise, fall int
	known      bool
	healthy    bool
	against    int // results running that contradict the state
}

// add is true if the state changed, or is known only now.
func (c *counter) add(good bool) bool {
	if !c.known {
		c.known, c.healthy = true, good
		return true
	}
	if good == c.healthy {
		c.against = 0
		return false
	}
	c.against++
	if c.against < c.needed() {
		return false
	}
	c.healthy, c.against = good, 0
	return true
}

func (c *counter) needed() int {
	if c.healthy {
		return c.fall
	}
	return c.rise
}
