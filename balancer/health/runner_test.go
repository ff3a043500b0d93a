// SPDX-License-Identifier: MIT

package health

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"posthouse/config"
)

// world is what the checks find, and what was reported.
type world struct {
	mu       sync.Mutex
	ill      map[string]error
	checks   map[string][]time.Duration // since the start
	began    time.Time
	running  int
	most     int
	last     time.Duration // of one check
	reported []string
}

func newWorld() *world {
	return &world{ill: map[string]error{}, checks: map[string][]time.Duration{}, began: time.Now()}
}

func (w *world) check(ctx context.Context, t Target) error {
	w.mu.Lock()
	w.checks[t.Name] = append(w.checks[t.Name], time.Since(w.began))
	w.running++
	w.most = max(w.most, w.running)
	last := w.last
	w.mu.Unlock()
	sleep(ctx, last)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.running--
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return w.ill[t.Name]
}

func (w *world) report(key string, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.reported = append(w.reported, fmt.Sprint(key, " ", err))
}

func (w *world) set(name string, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.ill[name] = err
}

// take is what was reported since the last time.
func (w *world) take() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	all := w.reported
	w.reported = nil
	return all
}

func (w *world) count(name string) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.checks[name])
}

func (w *world) expect(t *testing.T, want ...string) {
	t.Helper()
	if got := w.take(); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("reported %q, want %q", got, want)
	}
}

func every(interval time.Duration, rise, fall int) Config {
	return Config{Interval: config.Duration(interval), Rise: rise, Fall: fall}
}

func target(name string) map[string]Target { return map[string]Target{name: {Name: name}} }

// start runs a Runner in the bubble until the function it returns is called.
func start(w *world, c Config, targets map[string]Target) (*Runner[string], func()) {
	r := NewRunner(c, w.check, w.report)
	r.Set(targets)
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		r.Run(ctx)
		close(ended)
	}()
	return r, func() {
		stop()
		<-ended
	}
}

// pass lets time pass, and what is due then happen.
func pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

func TestReports(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		_, stop := start(w, every(10*time.Second, 2, 3), target("a"))
		defer stop()
		pass(time.Second)
		w.expect(t, "a <nil>") // the first result, whatever rise says
		pass(time.Minute)
		w.expect(t)
		w.set("a", errors.New("ill"))
		had := w.count("a")
		for w.count("a") < had+2 {
			pass(time.Second)
		}
		w.expect(t) // twice is not enough
		pass(11 * time.Second)
		w.expect(t, "a ill")
		w.set("a", errors.New("worse"))
		pass(time.Minute)
		w.expect(t) // no change
		w.set("a", nil)
		had = w.count("a")
		for w.count("a") < had+1 {
			pass(time.Second)
		}
		w.expect(t)
		pass(11 * time.Second)
		w.expect(t, "a <nil>")
	})
}

// TestFirstIsBad: a server that is ill at the start is known to be after its first check.
func TestFirstIsBad(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.set("a", errors.New("ill"))
		_, stop := start(w, every(time.Minute, 3, 3), target("a"))
		defer stop()
		pass(time.Second)
		w.expect(t, "a ill")
	})
}

func TestCounter(t *testing.T) {
	t.Parallel()
	c := counter{rise: 2, fall: 3}
	// good, bad; an upper case letter is a result that is told
	for i, step := range "Ggbbgbb" + "Bgbb" + "gbgG" + "bbB" {
		good := step == 'g' || step == 'G'
		if got := c.add(good); got != (step < 'a') {
			t.Fatalf("result %d: told %v", i, got)
		}
	}
}

// TestPace: checks come at the interval and a little around it, and do not keep step with each other.
func TestPace(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.last = time.Second
		targets := map[string]Target{}
		for i := range 10 {
			maps.Copy(targets, target(fmt.Sprint(i)))
		}
		_, stop := start(w, every(10*time.Second, 1, 1), targets)
		pass(10 * time.Minute)
		stop()
		phases := map[time.Duration]bool{}
		for name, times := range w.checks {
			if times[0] > time.Second || times[1]-times[0] > 10*time.Second {
				t.Errorf("%s: first at %v, second at %v", name, times[0], times[1])
			}
			for i := 2; i < len(times); i++ {
				if d := times[i] - times[i-1]; d < 9*time.Second || d > 11*time.Second {
					t.Errorf("%s: %v between checks", name, d)
				}
			}
			if len(times) < 55 || len(times) > 66 {
				t.Errorf("%s: %d checks in 10 minutes", name, len(times))
			}
			phases[times[5]] = true
		}
		if len(phases) < 10 {
			t.Errorf("only %d phases", len(phases))
		}
	})
}

// TestSideBySide: no more than so many run at once, and all get their turn.
func TestSideBySide(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.last = 3 * time.Second
		targets := map[string]Target{}
		for i := range 100 {
			maps.Copy(targets, target(fmt.Sprint(i)))
		}
		_, stop := start(w, every(5*time.Second, 1, 1), targets)
		pass(time.Minute)
		stop()
		if w.most != atOnce || len(w.checks) != 100 {
			t.Errorf("%d at once, %d had a turn", w.most, len(w.checks))
		}
	})
}

func TestSet(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.set("b", errors.New("ill"))
		r, stop := start(w, every(time.Second, 1, 2), target("a"))
		defer stop()
		pass(10 * time.Second)
		w.expect(t, "a <nil>")
		both := target("a")
		maps.Copy(both, target("b"))
		r.Set(both) // a is not new
		pass(10 * time.Second)
		w.expect(t, "b ill")
		r.Set(target("b"))
		had := w.count("a")
		pass(10 * time.Second)
		if w.count("a") != had {
			t.Error("a is checked although nobody wants it")
		}
		r.Set(map[string]Target{"b": {Name: "b", Path: "/moved"}})
		pass(2 * time.Second)
		w.expect(t, "b ill") // another server under the same key
		r.Set(nil)
		had = w.count("b")
		pass(10 * time.Second)
		if w.count("b") != had {
			t.Error("b is checked although nobody wants it")
		}
	})
}

// TestTakenAway: a check under way when its target is taken away is not reported.
func TestTakenAway(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.last = 3 * time.Second
		r, stop := start(w, every(10*time.Second, 1, 1), target("a"))
		defer stop()
		pass(2 * time.Second)
		if w.running != 1 {
			t.Fatal("no check is under way")
		}
		r.Set(nil)
		pass(10 * time.Second)
		w.expect(t)
	})
}

// TestStop: all ends at once with the context, without a report, and nothing begins afterwards.
func TestStop(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.last = time.Minute
		r, stop := start(w, every(time.Minute, 1, 1), target("a"))
		pass(2 * time.Second)
		before := time.Now()
		stop()
		if d := time.Since(before); d > 0 {
			t.Errorf("it took %v", d)
		}
		w.expect(t)
		r.Set(target("b"))
		pass(10 * time.Minute)
		if w.count("b") != 0 {
			t.Error("b is checked behind the end")
		}
	})
}
