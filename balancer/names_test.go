// SPDX-License-Identifier: MIT

package balancer

import (
	"context"
	"errors"
	"log/slog"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"posthouse/resolver"
)

// dns is a resolver whose answers a test changes: a zone, or a failure for all or one kind of question.
type dns struct {
	resolver.Resolver // nil: no other questions are asked

	mu    sync.Mutex
	zone  *resolver.Zone
	fail  map[uint16]error
	asked int
}

var errServfail = errors.New("SERVFAIL")

func (d *dns) set(t *testing.T, zone string) {
	t.Helper()
	z, err := resolver.ParseZone(zone)
	if err != nil {
		t.Fatal(err)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.zone, d.fail = z, nil
}

func (d *dns) outage(kinds ...uint16) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.fail = map[uint16]error{}
	for _, k := range kinds {
		d.fail[k] = errServfail
	}
}

func (d *dns) Ask(ctx context.Context, name string, kind uint16) (resolver.Answer, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.asked++
	if err := d.fail[kind]; err != nil {
		return resolver.Answer{}, err
	}
	return d.zone.Ask(ctx, name, kind)
}

// logged collects a log.
type logged struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *logged) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

func (l *logged) logger() *slog.Logger {
	return slog.New(slog.NewTextHandler(l, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

func TestNamesAreAskedAgainByTTL(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d, log := &dns{}, &logged{}
		d.set(t, "imap.test. 3600 IN CNAME a.test.\na.test. 20 IN A 192.0.2.1\na.test. 60 IN AAAA 2001:db8::1\n")
		n := newNames(log.logger())
		n.learn(d, []string{"imap.test"})
		placed := make(chan []netip.Addr, 10)
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		go n.follow(ctx, d, "imap.test", func(a []netip.Addr) { placed <- a })
		want := func(after time.Duration, addrs string) {
			t.Helper()
			began := time.Now()
			a := <-placed
			if took := time.Since(began); join(a) != addrs || took != after {
				t.Errorf("%s after %s, want %s after %s", join(a), took, addrs, after)
			}
		}
		if got := join(n.addrs("imap.test")); got != "192.0.2.1 2001:db8::1" {
			t.Fatal(got)
		}
		d.set(t, "imap.test. 3600 IN CNAME a.test.\na.test. 20 IN A 192.0.2.2\na.test. 60 IN AAAA 2001:db8::1\n")
		want(20*time.Second, "192.0.2.2 2001:db8::1")
		d.set(t, "imap.test. 0 IN A 192.0.2.2\n") // the IPv6 address is gone
		want(20*time.Second, "192.0.2.2")
		d.set(t, "imap.test. 20 IN A 192.0.2.3\n")
		want(time.Second, "192.0.2.3")
		d.set(t, "imap.test. 86400 IN A 192.0.2.4\n")
		want(20*time.Second, "192.0.2.4")
		d.set(t, "imap.test. 86400 IN A 192.0.2.5\n")
		want(5*time.Minute, "192.0.2.5")
	})
}

// TestNamesOutliveTheirServers: what cannot be asked stays as it was, and is complained of once.
func TestNamesOutliveTheirServers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d, log := &dns{}, &logged{}
		d.set(t, "imap.test. 20 IN A 192.0.2.1\nimap.test. 20 IN AAAA 2001:db8::1\n")
		n := newNames(log.logger())
		n.learn(d, []string{"imap.test", "none.test"})
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		go n.follow(ctx, d, "imap.test", func([]netip.Addr) {})
		stays := func(addrs string) {
			t.Helper()
			time.Sleep(time.Minute)
			synctest.Wait()
			if got := join(n.addrs("imap.test")); got != addrs {
				t.Errorf("%s, want %s", got, addrs)
			}
		}
		d.outage(resolver.TypeA, resolver.TypeAAAA)
		stays("192.0.2.1 2001:db8::1")
		d.set(t, "other.test. 20 IN A 192.0.2.9\n") // no such name
		stays("192.0.2.1 2001:db8::1")
		d.set(t, "imap.test. 20 IN A 192.0.2.7\n")
		d.outage(resolver.TypeAAAA)
		stays("192.0.2.7 2001:db8::1")
		d.set(t, "imap.test. 20 IN A 192.0.2.7\n")
		stays("192.0.2.7")
		text := log.String()
		for line, times := range map[string]int{
			"cannot be looked up": 1, "can be looked up again": 1, "other addresses": 2, "name=none.test": 1,
		} {
			if got := strings.Count(text, line); got != times {
				t.Errorf("%q %d times, want %d:\n%s", line, got, times, text)
			}
		}
	})
}

// TestNamesThatHang: the start does not wait for a name server for ever.
func TestNamesThatHang(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		n := newNames(new(logged).logger())
		began := time.Now()
		n.learn(silent{}, slices.Repeat([]string{"a.test", "b.test"}, 20))
		if took := time.Since(began); took != firstLook {
			t.Errorf("%s", took)
		}
	})
}

// silent answers nothing.
type silent struct{ resolver.Resolver }

func (silent) Ask(ctx context.Context, _ string, _ uint16) (resolver.Answer, error) {
	<-ctx.Done()
	return resolver.Answer{}, ctx.Err()
}
