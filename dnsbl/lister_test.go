// SPDX-License-Identifier: MIT

package dnsbl

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"posthouse/resolver"
)

// lists answers from a master file, and late or not at all where a test says so.
type lists struct {
	resolver.Resolver
	mu    sync.Mutex
	delay map[string]time.Duration // by suffix of "TYPE name"
	asked map[string]int
}

func (l *lists) Ask(ctx context.Context, name string, rrtype uint16) (resolver.Answer, error) {
	q := map[uint16]string{resolver.TypeA: "A ", resolver.TypeTXT: "TXT "}[rrtype] + name
	l.mu.Lock()
	l.asked[q]++
	var delay time.Duration
	for suffix, d := range l.delay {
		if strings.HasSuffix(q, suffix) {
			delay = d
		}
	}
	inner := l.Resolver
	l.mu.Unlock()
	select {
	case <-time.After(delay):
		return inner.Ask(ctx, name, rrtype)
	case <-ctx.Done():
		return resolver.Answer{}, ctx.Err()
	}
}

func (l *lists) now(t *testing.T, zone string) {
	t.Helper()
	z, err := resolver.ParseZone(zone)
	if err != nil {
		t.Fatal(err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.Resolver = z
}

func newLists(t *testing.T, zone string) *lists {
	l := &lists{delay: make(map[string]time.Duration), asked: make(map[string]int)}
	l.now(t, zone)
	return l
}

// metric is a value by the metric's name and its labels' values, in the order of their names.
func metric(t *testing.T, r *prometheus.Registry, name string, labels ...string) float64 {
	t.Helper()
	families, err := r.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			var values []string
			for _, l := range m.GetLabel() {
				values = append(values, l.GetValue())
			}
			if f.GetName() == "posthouse_dnsbl_"+name && slices.Equal(values, labels) {
				return m.GetCounter().GetValue() + m.GetGauge().GetValue()
			}
		}
	}
	t.Fatalf("no metric %s%v", name, labels)
	return 0
}

const sample = `
2.2.0.192.zen.test.       A   127.0.0.2
2.2.0.192.zen.test.       A   127.0.0.10
2.2.0.192.zen.test.       TXT "https://zen.test/192.0.2.2\009" "\255 bye"
2.2.0.192.zen.test.       TXT "twice"
3.2.0.192.zen.test.       A   127.0.0.4
4.2.0.192.zen.test.       A   127.255.255.254
4.2.0.192.zen.test.       A   127.0.0.4
5.2.0.192.zen.test.       A   203.0.113.9
5.2.0.192.zen.test.       TXT "buy this domain"
2.2.0.192.white.test.     A   127.0.3.1
1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.zen.test. A 127.0.0.3
spam.test.dbl.test.       A   127.0.1.2
empty.dbl.test.           TXT "no address"
*.world.test.             A   127.0.0.2
*.world.test.             TXT "everybody"
*.parked.test.            A   203.0.113.1
*.public.test.            A   127.255.255.254
`

// ask reads "zone subject".
func ask(t *testing.T, text string) Ask {
	t.Helper()
	zone, subject, _ := strings.Cut(text, " ")
	z, err := ParseZone(zone)
	if err != nil {
		t.Fatal(err)
	}
	if addr, err := netip.ParseAddr(subject); err == nil {
		return Ask{Zone: z, Addr: addr}
	}
	return Ask{Zone: z, Name: subject}
}

func TestAsk(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]Result{
		"zen.test 192.0.2.2":                                     {Listed: true, Text: `https://zen.test/192.0.2.2?? bye / twice`},
		"zen.test=127.0.0.[9..11] 192.0.2.2":                     {Listed: true, Text: `https://zen.test/192.0.2.2?? bye / twice`},
		"zen.test=127.0.0.3 192.0.2.2":                           {},
		"zen.test 192.0.2.3":                                     {Listed: true},
		"zen.test 192.0.2.1":                                     {},
		"zen.test 2001:db8::1":                                   {Listed: true},
		"zen.test 192.0.2.4":                                     {Listed: true, Unhealthy: "does not serve our resolver (127.255.255.254)"},
		"zen.test=127.0.0.2 192.0.2.4":                           {Unhealthy: "does not serve our resolver (127.255.255.254)"},
		"zen.test=127.255.255.[1..255] 192.0.2.4":                {Listed: true, Unhealthy: "does not serve our resolver (127.255.255.254)"},
		"zen.test=127.255.255.1 192.0.2.4":                       {Unhealthy: "does not serve our resolver (127.255.255.254)"},
		"zen.test 192.0.2.5":                                     {Unhealthy: "answers 203.0.113.9, which is outside 127.0.0.0/8"},
		"zen.test=[0..255].[0..255].[0..255].[0..255] 192.0.2.5": {Unhealthy: "answers 203.0.113.9, which is outside 127.0.0.0/8"},
		"public.test 192.0.2.4":                                  {Unhealthy: "does not serve our resolver (127.255.255.254)"},
		"public.test=127.[0..255].[0..255].[0..255] 192.0.2.4":   {Unhealthy: "does not serve our resolver (127.255.255.254)"},
		"public.test=127.255.255.[1..255] 192.0.2.4":             {Listed: true, Unhealthy: "does not serve our resolver (127.255.255.254)"},
		"dbl.test u@spam.test":                                   {Listed: true},
		"dbl.test spam.TEST":                                     {Listed: true},
		"dbl.test empty":                                         {},
		"dbl.test [192.0.2.2]":                                   {},
		"world.test 192.0.2.2":                                   {Unhealthy: "lists 127.0.0.1 (127.0.0.2) and so everybody"},
		"world.test 2001:db8::1":                                 {Unhealthy: "lists ::ffff:127.0.0.1 (127.0.0.2) and so everybody"},
		"world.test spam.test":                                   {Unhealthy: "lists invalid (127.0.0.2) and so everybody"},
		"parked.test 192.0.2.2":                                  {Unhealthy: "answers 203.0.113.1, which is outside 127.0.0.0/8"},
	} {
		r := New(Options{Resolver: newLists(t, sample)}).Ask(t.Context(), []Ask{ask(t, text)})[0]
		r.Codes = nil
		if got := fmt.Sprintf("%+v", r); got != fmt.Sprintf("%+v", want) {
			t.Errorf("%s:\n got %s\nwant %+v", text, got, want)
		}
	}
}

func TestResultsStandWhereTheAsksDo(t *testing.T) {
	t.Parallel()
	l := New(Options{Resolver: newLists(t, sample)})
	got := l.Ask(t.Context(), []Ask{ask(t, "zen.test 192.0.2.1"), ask(t, "zen.test 192.0.2.2"), ask(t, "dbl.test [::1]"), ask(t, "white.test 192.0.2.2"), {}})
	var listed []bool
	for _, r := range got {
		listed = append(listed, r.Listed)
	}
	if fmt.Sprint(listed) != "[false true false true false]" || fmt.Sprint(got[1].Codes) != "[127.0.0.2 127.0.0.10]" {
		t.Errorf("%+v", got)
	}
	if l.Ask(t.Context(), nil) == nil {
		t.Error("no asks are no trouble")
	}
}

// All questions of one Ask are asked side by side and have one deadline; what came in time counts.
func TestOneDeadline(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newLists(t, sample)
		r.delay = map[string]time.Duration{"dead.test.": time.Hour, "A 2.2.0.192.zen.test.": 4 * time.Second, "TXT 2.2.0.192.zen.test.": 4 * time.Second}
		l, began := New(Options{Resolver: r}), time.Now()
		got := l.Ask(t.Context(), []Ask{ask(t, "a.dead.test 192.0.2.2"), ask(t, "zen.test 192.0.2.2"), ask(t, "b.dead.test 192.0.2.2"), ask(t, "zen.test 192.0.2.1")})
		if took := time.Since(began); took != 5*time.Second {
			t.Errorf("took %v", took)
		}
		for i, want := range []Result{{Err: context.DeadlineExceeded}, {Listed: true}, {Err: context.DeadlineExceeded}, {}} {
			if g := got[i]; g.Listed != want.Listed || !errors.Is(g.Err, want.Err) || g.Text != "" {
				t.Errorf("%d: %+v", i, g)
			}
		}
		short, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		began = time.Now()
		if got := l.Ask(short, []Ask{ask(t, "a.dead.test 192.0.2.2")}); got[0].Err == nil || time.Since(began) != time.Second {
			t.Errorf("%+v after %v: the caller's deadline is shorter", got, time.Since(began))
		}
		time.Sleep(time.Minute) // what is asked in the background ends too
	})
}

// The test question is asked beside the first, and remembered; later it is asked in the background.
func TestHealthOverTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		registry := prometheus.NewRegistry()
		r := newLists(t, sample)
		r.delay["2.2.0.192.world.test."], r.delay["1.0.0.127.world.test."] = time.Second, 3*time.Second
		l := New(Options{Resolver: r, Metrics: registry, Log: slog.New(slog.NewTextHandler(&log, nil))})
		world := []Ask{ask(t, "world.test 192.0.2.2")}
		listed := func() bool { return l.Ask(t.Context(), world)[0].Listed }
		check := func(when string, wantListed bool, took time.Duration, tests, logged int) {
			t.Helper()
			began := time.Now()
			if got := listed(); got != wantListed || time.Since(began) != took {
				t.Errorf("%s: listed %v after %v", when, got, time.Since(began))
			}
			time.Sleep(4 * time.Second)
			synctest.Wait()
			if got := r.asked["A 1.0.0.127.world.test."]; got != tests {
				t.Errorf("%s: tested %d times, want %d", when, got, tests)
			}
			if got := strings.Count(log.String(), "\n"); got != logged {
				t.Errorf("%s: %d log lines, want %d:\n%s", when, got, logged, log.String())
			}
		}
		check("first", false, 3*time.Second, 1, 1) // A and TXT, 2 s; the test beside them
		check("again", false, 2*time.Second, 1, 1)
		time.Sleep(10 * time.Minute)
		check("later, still mad", false, 2*time.Second, 2, 1)
		if got := metric(t, registry, "unhealthy", "ipv4", "world.test"); got != 1 {
			t.Errorf("unhealthy is %v", got)
		}
		r.now(t, "2.2.0.192.world.test. A 127.0.0.2\n")
		time.Sleep(10 * time.Minute)
		check("not known to be well yet", false, 2*time.Second, 3, 2)
		check("well", true, 2*time.Second, 3, 2)
		if got := metric(t, registry, "unhealthy", "ipv4", "world.test"); got != 0 {
			t.Errorf("unhealthy is %v", got)
		}
		for answer, want := range map[string]float64{"listed": 1, "ignored": 4, "error": 0} {
			if got := metric(t, registry, "answers_total", answer, "world.test"); got != want {
				t.Errorf("%v %s, want %v", got, answer, want)
			}
		}
	})
}

// A zone that loses the test question is taken at its word, in time, and examined again soon.
func TestHealthUnknown(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newLists(t, sample)
		r.delay["A 1.0.0.127.zen.test."] = time.Hour
		l, began := New(Options{Resolver: r, Timeout: 2 * time.Second}), time.Now()
		for i, want := range []time.Duration{2 * time.Second, 2 * time.Second} {
			if got := l.Ask(t.Context(), []Ask{ask(t, "zen.test 192.0.2.2")})[0]; !got.Listed || time.Since(began) != want {
				t.Errorf("%d: %+v after %v", i, got, time.Since(began))
			}
		}
		if got := l.Ask(t.Context(), []Ask{ask(t, "zen.test 192.0.2.1")})[0]; got.Listed || time.Since(began) != 2*time.Second {
			t.Errorf("%+v after %v: who is not listed does not wait for the test", got, time.Since(began))
		}
		time.Sleep(unsure)
		short, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		began = time.Now()
		if got := New(Options{Resolver: r}).Ask(short, []Ask{ask(t, "zen.test 192.0.2.2")})[0]; !got.Listed || time.Since(began) != time.Second {
			t.Errorf("%+v after %v, the caller's deadline is shorter", got, time.Since(began))
		}
		time.Sleep(5 * time.Second)
		r.mu.Lock()
		r.asked["A 1.0.0.127.zen.test."]--
		r.mu.Unlock()
		var all sync.WaitGroup
		for range 5 {
			all.Go(func() { l.Ask(t.Context(), []Ask{ask(t, "zen.test 192.0.2.2")}) })
		}
		all.Wait()
		synctest.Wait()
		if got := r.asked["A 1.0.0.127.zen.test."]; got != 2 {
			t.Errorf("tested %d times", got)
		}
		time.Sleep(time.Minute)
	})
}

func TestScore(t *testing.T) {
	t.Parallel()
	r := newLists(t, sample)
	l := New(Options{Resolver: r})
	var zones []Zone
	for _, s := range []string{"zen.test=127.0.0.[2..11]*3", "zen.test=127.0.0.10*2", "white.test*-4", "world.test*9", "other.test*9", "dbl.test"} {
		z, err := ParseSite(s)
		if err != nil {
			t.Fatal(err)
		}
		zones = append(zones, z)
	}
	score, hits := l.Score(t.Context(), zones, netip.MustParseAddr("192.0.2.2"))
	if got := fmt.Sprint(score, hits); got != "1 [zen.test=127.0.0.[2..11]*3 zen.test=127.0.0.10*2 white.test*-4]" {
		t.Error(got)
	}
	if r.asked["TXT 2.2.0.192.zen.test."] > 0 {
		t.Error("asked for words that nobody reads")
	}
}

func TestClean(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		in   []string
		want string
	}{
		{nil, ""},
		{[]string{"a\r\n250 ok\x00é"}, "a??250 ok???"},
		{[]string{strings.Repeat("x", 300), "y"}, strings.Repeat("x", 255)},
		{[]string{strings.Repeat("x", 254), "y"}, strings.Repeat("x", 254) + " "},
	} {
		if got := clean(c.in); got != c.want {
			t.Errorf("%q: %q", c.in, got)
		}
	}
}

// Two services of one process share the metrics.
func TestTwoListersOneRegistry(t *testing.T) {
	t.Parallel()
	registry := prometheus.NewRegistry()
	r := newLists(t, sample)
	for range 2 {
		New(Options{Resolver: r, Metrics: registry}).Ask(t.Context(), []Ask{ask(t, "zen.test 192.0.2.2")})
	}
	if got := metric(t, registry, "answers_total", "listed", "zen.test"); got != 2 {
		t.Error(got)
	}
}
