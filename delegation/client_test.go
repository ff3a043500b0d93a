// SPDX-License-Identifier: MIT

package delegation

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"posthouse/internal/maillab"
)

// world is a policy server at the other end of pipes, in a bubble's time.
type world struct {
	mu    sync.Mutex
	dials int
	fail  int                                          // so many dials in vain
	talk  func(n int, question string) (answer string) // the n-th question of a connection; "": hang up; "...": say nothing
	most  int
	now   int
}

func (w *world) dial(context.Context, string, string) (net.Conn, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.dials++
	if w.fail > 0 {
		w.fail--
		return nil, errors.New("connection refused")
	}
	ours, theirs := net.Pipe()
	go w.serve(theirs)
	return ours, nil
}

func (w *world) serve(c net.Conn) {
	defer c.Close()
	r := bufio.NewReader(c)
	for n := 1; ; n++ {
		var question strings.Builder
		for {
			line, err := r.ReadString('\n')
			if err != nil {
				return
			}
			if line == "\n" {
				break
			}
			question.WriteString(line)
		}
		w.count(1)
		answer := w.talk(n, question.String())
		w.count(-1)
		switch answer {
		case "":
			return
		case "...":
			io.Copy(io.Discard, c)
			return
		}
		if _, err := io.WriteString(c, answer); err != nil {
			return
		}
	}
}

func (w *world) count(n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.now += n
	w.most = max(w.most, w.now)
}

func dunno(int, string) string { return "action=DUNNO\n\n" }

// in runs a test in a bubble, with a client of w.
func in(t *testing.T, w *world, test func(t *testing.T, ask func(entry string) (string, error), log *maillab.Log)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		var log maillab.Log
		c := New(Options{Dial: w.dial, Log: log.Logger()})
		defer c.Close()
		test(t, func(entry string) (string, error) {
			s, err := ParseServer(entry)
			if err != nil {
				t.Fatal(err)
			}
			return c.Ask(t.Context(), s, []Attribute{{"request", "smtpd_access_policy"}})
		}, &log)
	})
}

func TestAskKeepsTheConnection(t *testing.T) {
	t.Parallel()
	w := &world{talk: dunno}
	in(t, w, func(t *testing.T, ask func(string) (string, error), _ *maillab.Log) {
		for range 5 {
			if got, err := ask("inet:1"); got != "DUNNO" || err != nil {
				t.Fatal(got, err)
			}
		}
		if w.dials != 1 {
			t.Errorf("%d connections", w.dials)
		}
		time.Sleep(301 * time.Second) // idle, in the bubble's time
		ask("inet:1")
		if w.dials != 2 {
			t.Errorf("%d connections, one of them idle for max_idle", w.dials)
		}
		for range 5 {
			time.Sleep(250 * time.Second) // never idle for long, but old in the end, in the bubble's time
			ask("inet:1")
		}
		if w.dials != 3 {
			t.Errorf("%d connections, one of them older than max_ttl", w.dials)
		}
		w.dials = 0
		for range 6 {
			ask("{ inet:2, request_limit=3 }")
		}
		if w.dials != 2 {
			t.Errorf("%d connections for 3 questions each", w.dials)
		}
	})
}

// A server may hang up between two questions: that costs no try and no time.
func TestAskOnAStaleConnection(t *testing.T) {
	t.Parallel()
	w := &world{talk: func(n int, _ string) string {
		if n == 2 {
			return ""
		}
		return "action=OK\n\n"
	}}
	in(t, w, func(t *testing.T, ask func(string) (string, error), _ *maillab.Log) {
		start := time.Now()
		for range 4 {
			if got, err := ask("{ inet:1, try_limit=1 }"); got != "OK" || err != nil {
				t.Fatal(got, err)
			}
		}
		if w.dials != 4 || time.Since(start) != 0 {
			t.Errorf("%d connections, %s", w.dials, time.Since(start))
		}
	})
}

func TestAskInVain(t *testing.T) {
	t.Parallel()
	silent := func(int, string) string { return "..." }
	for _, c := range []struct {
		name, entry, want, because string
		world                      *world
		dials                      int
		took                       time.Duration
	}{
		{"nobody there", "inet:1", DefaultAction, "connection refused", &world{fail: 9}, 2, time.Second},
		{"once in vain", "inet:1", "DUNNO", "", &world{fail: 1, talk: dunno}, 2, time.Second},
		{"options", "{ inet:1, try_limit=3, retry_delay=2s, default_action=DUNNO }", "DUNNO", "connection refused", &world{fail: 9}, 3, 4 * time.Second},
		{"silence", "{ inet:1, timeout=10s }", DefaultAction, "deadline exceeded", &world{talk: silent}, 1, 10 * time.Second},
		{"silence by default", "inet:1", DefaultAction, "deadline exceeded", &world{talk: silent}, 1, 100 * time.Second},
		{"hangs up", "inet:1", DefaultAction, "closed the connection", &world{talk: func(int, string) string { return "" }}, 2, time.Second},
		{"nonsense", "inet:1", DefaultAction, "names no action", &world{talk: func(int, string) string { return "hello\n\n" }}, 2, time.Second},
		{"endless", "inet:1", DefaultAction, "too long", &world{talk: func(int, string) string { return strings.Repeat("x", 1<<16) }}, 2, time.Second},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := c.world
			in(t, w, func(t *testing.T, ask func(string) (string, error), log *maillab.Log) {
				start := time.Now()
				got, err := ask(c.entry)
				if got != c.want || (err == nil) != (c.because == "") || err != nil && !strings.Contains(err.Error(), c.because) {
					t.Errorf("%q, %v", got, err)
				}
				if took := time.Since(start); took != c.took || w.dials != c.dials {
					t.Errorf("took %s and %d connections", took, w.dials)
				}
				if said := log.Has("policy server gives no answer"); said != (c.because != "") {
					t.Errorf("log: %s", log)
				}
			})
		})
	}
}

// Words beyond the answer are not taken for the answer to the next question.
func TestAskTooManyAnswers(t *testing.T) {
	t.Parallel()
	w := &world{talk: func(int, string) string { return "action=REJECT\n\naction=OK\n\n" }}
	in(t, w, func(t *testing.T, ask func(string) (string, error), _ *maillab.Log) {
		for range 3 {
			if got, err := ask("inet:1"); got != "REJECT" || err != nil {
				t.Fatal(got, err)
			}
		}
	})
}

func TestAskAtOnce(t *testing.T) {
	t.Parallel()
	w := &world{}
	w.talk = func(int, string) string {
		time.Sleep(time.Second) // a slow server, in the bubble's time
		return "action=DUNNO\n\n"
	}
	in(t, w, func(t *testing.T, ask func(string) (string, error), _ *maillab.Log) {
		var all sync.WaitGroup
		for range 3 * maxAtOnce {
			all.Go(func() {
				if got, err := ask("inet:1"); got != "DUNNO" || err != nil {
					t.Error(got, err)
				}
			})
		}
		all.Wait()
		if w.most > maxAtOnce {
			t.Errorf("%d at once", w.most)
		}
	})
}
