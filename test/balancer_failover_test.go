// SPDX-License-Identifier: MIT

package test

import (
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"posthouse/internal/maillab"
)

// failovers is how often a server fails under load, and connectTimeout what the balancer gives each try.
const (
	failovers      = 20
	connectTimeout = 2 * time.Second
)

// TestFailovers has three servers under a load of short connections and of sessions that talk all the time. Twenty times one of them
// is killed, stops listening or disappears, and comes back. Sessions on the others lose no byte, and no new client is refused or left
// without an answer; who comes just then waits for one connect time-out at most.
func TestFailovers(t *testing.T) {
	t.Parallel()
	a, b, c := backends3(t)
	l := &traffic{listen: door(t), servers: []*maillab.Backend{a, b, c}, stop: make(chan struct{})}
	var upstream []string
	for _, s := range l.servers {
		upstream = append(upstream, at(s, "fail_timeout=1s"))
	}
	startBalancer(t, "", service("s", l.listen, upstream, "connect_timeout: "+connectTimeout.String(), "session_log: false"))
	for range 6 {
		l.workers.Go(l.short)
	}
	for range 30 {
		l.workers.Go(l.long)
	}
	t.Cleanup(func() { l.end() })
	maillab.Wait(t, maillab.Patience, "load", func() bool { return l.served.Load() > 100 && l.open.Load() == 30 })
	for i := range failovers {
		l.fail(t, l.servers[i%3], i/3)
	}
	l.end()
	l.judge(t)
}

// traffic is what clients do, and what became of it.
type traffic struct {
	listen  string
	servers []*maillab.Backend
	workers sync.WaitGroup
	ending  sync.Once
	stop    chan struct{}

	served, waited, open, talked atomic.Int64 // short connections, those that took a connect time-out; sessions; their octets

	mu      sync.Mutex
	outages []outage
	faults  []string
	lost    int // cut because their own server was killed
	longest time.Duration
}

// outage is the moment in which a server failed. Who was in between then may have been handed to it already.
type outage struct {
	server     string
	kill       bool
	began, end time.Time
}

func (l *traffic) end() {
	l.ending.Do(func() { close(l.stop) })
	l.workers.Wait()
}

func (l *traffic) stopped() bool {
	select {
	case <-l.stop:
		return true
	default:
		return false
	}
}

// fail makes a server fail in one of three ways while the load goes on, and come back.
func (l *traffic) fail(t *testing.T, s *maillab.Backend, way int) {
	t.Helper()
	kill := way%3 == 0
	o := outage{server: s.Name, kill: kill, began: time.Now()}
	l.mu.Lock()
	l.outages = append(l.outages, o)
	n := len(l.outages) - 1
	l.mu.Unlock()
	visits := len(s.Visits())
	switch way % 3 {
	case 0:
		s.Kill(t)
	case 1:
		s.Be(t, maillab.Refuses)
	case 2:
		s.Be(t, maillab.BlackHole)
	}
	l.mu.Lock()
	l.outages[n].end = time.Now()
	l.mu.Unlock()
	served, waited := l.served.Load(), l.waited.Load()
	maillab.Wait(t, maillab.Patience, "clients served without "+s.Name, func() bool {
		return l.served.Load() > served+50 && (way%3 != 2 || l.waited.Load() > waited)
	})
	s.Be(t, maillab.Works)
	maillab.Wait(t, maillab.Patience, "new clients at "+s.Name, func() bool { return len(s.Visits()) > visits+20 })
}

// short is one client after another: connect, hear who serves, say something, go.
func (l *traffic) short() {
	for !l.stopped() {
		began := time.Now()
		name, err := l.visit()
		took := time.Since(began)
		l.mu.Lock()
		switch {
		case err != nil && !l.between(began):
			l.faults = append(l.faults, fmt.Sprintf("%s after %v: %v", began.Format("05.000"), took, err))
		case err != nil:
			l.lost++
		default:
			l.longest = max(l.longest, took)
		}
		l.mu.Unlock()
		if took > connectTimeout && name != "" {
			l.waited.Add(1)
		}
		l.served.Add(1)
		time.Sleep(5 * time.Millisecond) // a client's pace, not a wait for anything
	}
}

// between reports that a client who began then may have met the very moment in which a server failed. The lock is held.
func (l *traffic) between(began time.Time) bool {
	return slices.ContainsFunc(l.outages, func(o outage) bool { return o.end.IsZero() || began.Before(o.end) })
}

func (l *traffic) visit() (string, error) {
	c, err := net.DialTimeout("tcp", l.listen, maillab.Patience)
	if err != nil {
		return "", err
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(3 * connectTimeout))
	name, err := greeted(c)
	if err != nil {
		return "", err
	}
	return name, echoed(c, "hello, "+name)
}

// greeted reads the name of the server, octet by octet so that nothing behind it is taken.
func greeted(c net.Conn) (string, error) {
	var name strings.Builder
	for one := make([]byte, 1); ; name.Write(one) {
		if _, err := io.ReadFull(c, one); err != nil {
			return "", err
		}
		if one[0] == '\n' {
			return name.String(), nil
		}
	}
}

func echoed(c net.Conn, text string) error {
	if _, err := io.WriteString(c, text); err != nil {
		return err
	}
	got := make([]byte, len(text))
	if _, err := io.ReadFull(c, got); err != nil {
		return err
	}
	if string(got) != text {
		return fmt.Errorf("%q came back as %q", text, got)
	}
	return nil
}

// long is a session that talks until its server is killed, and then the next one.
func (l *traffic) long() {
	for !l.stopped() {
		if err := l.session(); err != nil {
			l.mu.Lock()
			l.faults = append(l.faults, err.Error())
			l.mu.Unlock()
		}
	}
}

func (l *traffic) session() error {
	began := time.Now()
	c, err := net.DialTimeout("tcp", l.listen, maillab.Patience)
	if err != nil {
		return err
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(3 * connectTimeout))
	name, err := greeted(c)
	if err != nil {
		return l.excuse(began, "", fmt.Errorf("session without a server: %w", err))
	}
	l.open.Add(1)
	defer l.open.Add(-1)
	for n := 0; !l.stopped(); n++ {
		c.SetDeadline(time.Now().Add(maillab.Patience))
		text := fmt.Sprintf("%s %d %s", name, n, strings.Repeat("x", n*37%5000))
		if err := echoed(c, text); err != nil {
			return l.excuse(began, name, fmt.Errorf("session at %s after %d exchanges: %w", name, n, err))
		}
		l.talked.Add(int64(len(text)))
		time.Sleep(20 * time.Millisecond) // a client's pace
	}
	return nil
}

// excuse forgives the end of a session whose own server was killed during it, and of one that came in the moment of a failure.
func (l *traffic) excuse(began time.Time, server string, err error) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if server == "" && l.between(began) || slices.ContainsFunc(l.outages, func(o outage) bool { return o.kill && o.server == server && (o.end.IsZero() || o.end.After(began)) }) {
		l.lost++
		return nil
	}
	return err
}

func (l *traffic) judge(t *testing.T) {
	t.Helper()
	t.Logf("%d failovers: %d short connections, %d waited for a connect, the longest %v; sessions: %d octets; %d clients were at a server when it was killed",
		failovers, l.served.Load(), l.waited.Load(), l.longest, l.talked.Load(), l.lost)
	for _, f := range l.faults {
		t.Error(f)
	}
	if limit := connectTimeout * 7 / 4; l.longest > limit {
		t.Errorf("a client waited %v for a server, more than %v", l.longest, limit)
	}
	if l.waited.Load() == 0 || l.talked.Load() < 100_000 {
		t.Error("nobody met a black hole, or the sessions said nothing")
	}
}
