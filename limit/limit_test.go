// SPDX-License-Identifier: MIT

package limit

import (
	"fmt"
	"net/netip"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func TestWindowSlides(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := New(Options{Window: time.Minute})
		for _, step := range []struct {
			wait time.Duration
			add  int
			want int
		}{
			{0, 10, 10},               // a burst
			{59 * time.Second, 0, 10}, // still all in view
			{time.Second, 1, 11},      // the border: nothing is forgotten at once
			{30 * time.Second, 0, 6},  // half of the ten, and the one
			{29 * time.Second, 0, 2},  // a sixtieth of it counts as one
			{time.Second, 0, 1},       // the one
			{time.Minute, 0, 0},       // nothing
			{time.Hour, 3, 3},         // afterwards it begins anew
			{-time.Second, 1, 4},      // (no wait: the clock does not go back in a bubble)
			{150 * time.Second, 0, 0}, // two windows later all is gone
		} {
			time.Sleep(step.wait)
			if got := c.Add("k", step.add); got != step.want {
				t.Errorf("after %v: Add(%d) = %d, want %d", step.wait, step.add, got, step.want)
			}
		}
	})
}

func TestClockSetBack(t *testing.T) {
	t.Parallel()
	now := time.Unix(1e9, 0)
	c := New(Options{Window: time.Minute, Now: func() time.Time { return now }})
	c.Add("k", 5)
	now = now.Add(-time.Hour)
	if got := c.Add("k", 1); got != 6 {
		t.Errorf("total %d", got)
	}
}

func TestKeysAreBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := New(Options{Max: 100})
		c.Add("first", 7)
		for i := range 1000 {
			c.Add(fmt.Sprint(i), 1)
			if i < 500 { // who is seen again stays
				c.Add("first", 0)
			}
		}
		if c.Len() != 100 {
			t.Errorf("%d keys", c.Len())
		}
		if got := c.Add("first", 0); got != 0 {
			t.Errorf("the key not used for longest is still there: %d", got)
		}
		if got := c.Add("999", 0); got != 1 {
			t.Errorf("the key used last is gone: %d", got)
		}
		time.Sleep(2 * time.Minute)
		for range 60 {
			c.Add("new", 1)
		}
		if c.Len() != 1 {
			t.Errorf("%d keys after all but one expired", c.Len())
		}
	})
}

func TestUsedKeyOutlivesOthers(t *testing.T) {
	t.Parallel()
	c := New(Options{Max: 2})
	c.Add("a", 1)
	c.Add("b", 1)
	c.Add("a", 1)
	c.Add("c", 1)
	if got := c.Add("a", 0); got != 2 {
		t.Errorf("a = %d, want 2: b was the older one", got)
	}
}

func TestGauge(t *testing.T) {
	t.Parallel()
	var g Gauge
	first, second, third := g.Acquire("a", 2), g.Acquire("a", 2), g.Acquire("a", 2)
	if !first || !second || third {
		t.Error("two fit, a third does not")
	}
	if !g.Acquire("b", 1) || !g.Acquire("a", 0) {
		t.Error("another key has its own count; 0 is no limit")
	}
	if g.Count("a") != 3 || g.Len() != 2 {
		t.Errorf("count %d, keys %d", g.Count("a"), g.Len())
	}
	for _, key := range []string{"a", "a", "a", "b"} {
		g.Release(key)
	}
	if g.Len() != 0 {
		t.Errorf("%d keys are held by nobody", g.Len())
	}
	defer func() {
		if recover() == nil {
			t.Error("a Release too many was not noticed")
		}
	}()
	g.Release("a")
}

func TestConcurrentUse(t *testing.T) {
	t.Parallel()
	var g Gauge
	c := New(Options{Max: 10})
	var wg sync.WaitGroup
	for worker := range 8 {
		wg.Go(func() {
			for i := range 500 {
				c.Add(fmt.Sprint(worker, i%20), 1)
				if g.Acquire("k", 4) {
					if n := g.Count("k"); n < 1 || n > 4 {
						t.Errorf("%d at once", n)
					}
					g.Release("k")
				}
			}
		})
	}
	wg.Wait()
	if g.Len() != 0 || c.Len() > 10 {
		t.Errorf("gauge %d, counter %d", g.Len(), c.Len())
	}
}

func TestClient(t *testing.T) {
	t.Parallel()
	for address, want := range map[string]string{
		"192.0.2.1": "192.0.2.1", "::ffff:192.0.2.1": "192.0.2.1", "2001:db8:1:2:3:4:5:6": "2001:db8:1:2::/64", "fe80::1%eth0": "fe80::/64",
	} {
		if got := Client(netip.MustParseAddr(address)); got != want {
			t.Errorf("Client(%s) = %s, want %s", address, got, want)
		}
	}
}
