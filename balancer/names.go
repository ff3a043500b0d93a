// SPDX-License-Identifier: MIT

package balancer

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"posthouse/resolver"
)

// When a name is asked again: as its records say, within these bounds. A failure is no reason to forget addresses.
const (
	leastTTL     = time.Second
	mostTTL      = 5 * time.Minute
	unknownTTL   = 30 * time.Second // a resolver that says none
	afterFailure = 5 * time.Second
	lookTime     = 10 * time.Second // of one look-up
	firstLook    = 5 * time.Second  // of all together, at the start and at a reload
	looksAtOnce  = 16
)

// names is what is known of the servers' host names. It outlives a reload, so that one which comes in the middle of a DNS
// outage forgets nothing.
type names struct {
	log *slog.Logger

	mu    sync.Mutex
	known map[string]*found
}

// found is what the last look-ups of a name gave.
type found struct {
	four, six []netip.Addr
	next      time.Duration // until it is to be asked again
	failing   bool
}

func (f *found) addrs() []netip.Addr {
	all := slices.Concat(f.four, f.six)
	slices.SortFunc(all, netip.Addr.Compare)
	return slices.Compact(all)
}

func newNames(log *slog.Logger) *names { return &names{log: log, known: make(map[string]*found)} }

// addrs is what is known of a name now.
func (n *names) addrs(host string) []netip.Addr {
	n.mu.Lock()
	defer n.mu.Unlock()
	if f := n.known[host]; f != nil {
		return f.addrs()
	}
	return nil
}

// learn asks for all names that nothing is known of, side by side, for firstLook at most.
func (n *names) learn(r resolver.Resolver, hosts []string) {
	ctx, cancel := context.WithTimeout(context.Background(), firstLook)
	defer cancel()
	slots := make(chan struct{}, looksAtOnce)
	var wg sync.WaitGroup
	for _, host := range hosts {
		if len(n.addrs(host)) > 0 {
			continue
		}
		wg.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			n.ask(ctx, r, host)
		})
	}
	wg.Wait()
}

// follow asks for a name again and again until ctx ends, and tells place when its addresses changed.
func (n *names) follow(ctx context.Context, r resolver.Resolver, host string, place func([]netip.Addr)) {
	timer := time.NewTimer(n.due(host))
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		}
		if n.ask(ctx, r, host) {
			place(n.addrs(host))
		}
		timer.Reset(n.due(host))
	}
}

// due is when a name is to be asked again, counted from its last answer.
func (n *names) due(host string) time.Duration {
	n.mu.Lock()
	defer n.mu.Unlock()
	if f := n.known[host]; f != nil {
		return f.next
	}
	return 0
}

// forget drops names that no service has any more.
func (n *names) forget(but []string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for host := range n.known {
		if !slices.Contains(but, host) {
			delete(n.known, host)
		}
	}
}

// ask looks a name up once, and reports whether its addresses changed. A kind of address that could not be asked for stays
// as it was, and so does all if there is none left.
func (n *names) ask(ctx context.Context, r resolver.Resolver, host string) (changed bool) {
	four, six := look(ctx, r, host)
	if errors.Is(ctx.Err(), context.Canceled) {
		return false
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	old := n.known[host]
	if old == nil {
		old = &found{}
	}
	f := merge(old, four, six)
	n.known[host] = f
	was, is := old.addrs(), f.addrs()
	n.tell(host, old, f, problem(four.err, six.err))
	return !slices.Equal(was, is)
}

// tell writes to the log what is new about a name.
func (n *names) tell(host string, old, f *found, err error) {
	was, is := old.addrs(), f.addrs()
	if !slices.Equal(was, is) && len(was) > 0 {
		n.log.Info("a server's name has other addresses", "name", host, "now", join(is), "before", join(was))
	}
	switch {
	case f.failing && !old.failing && len(is) == 0:
		n.log.Warn("a server's name has no address: the server is left out until it has one", "name", host, "error", err)
	case f.failing && !old.failing:
		n.log.Warn("a server's name cannot be looked up: its addresses stay as they were", "name", host, "addresses", join(is), "error", err)
	case !f.failing && old.failing:
		n.log.Info("a server's name can be looked up again", "name", host, "addresses", join(is))
	}
}

func join(addrs []netip.Addr) string {
	words := make([]string, len(addrs))
	for i, a := range addrs {
		words[i] = a.String()
	}
	return strings.Join(words, " ")
}

// half is the answer about one kind of address.
type half struct {
	addrs []netip.Addr
	ttl   time.Duration
	err   error
}

// look asks for both kinds at once.
func look(ctx context.Context, r resolver.Resolver, host string) (four, six half) {
	ctx, cancel := context.WithTimeout(ctx, lookTime)
	defer cancel()
	done := make(chan half, 1)
	go func() {
		done <- lookOne(ctx, r, host, resolver.TypeAAAA, resolver.Answer.IPv6)
	}()
	four = lookOne(ctx, r, host, resolver.TypeA, resolver.Answer.IPv4)
	return four, <-done
}

func lookOne(ctx context.Context, r resolver.Resolver, host string, kind uint16, addrs func(resolver.Answer) []netip.Addr) (h half) {
	defer func() {
		if p := recover(); p != nil {
			h = half{err: fmt.Errorf("look up %s: panic: %v", host, p)}
		}
	}()
	a, err := r.Ask(ctx, host, kind)
	if err != nil {
		return half{err: err}
	}
	return half{addrs: addrs(a), ttl: a.TTL}
}

// merge is what is known after a look-up.
func merge(old *found, four, six half) *found {
	f := &found{four: four.addrs, six: six.addrs, next: mostTTL}
	for _, h := range []half{four, six} {
		switch {
		case resolver.Temporary(h.err):
			f.failing = true
		case h.err == nil && h.ttl <= 0:
			f.next = min(f.next, unknownTTL)
		case h.err == nil:
			f.next = min(f.next, max(h.ttl, leastTTL))
		}
	}
	if resolver.Temporary(four.err) {
		f.four = old.four
	}
	if resolver.Temporary(six.err) {
		f.six = old.six
	}
	if len(f.four)+len(f.six) == 0 {
		f.four, f.six, f.failing = old.four, old.six, true
	}
	if f.failing {
		f.next = afterFailure
	}
	return f
}

// problem is the error that says most.
func problem(four, six error) error {
	if resolver.Temporary(six) && !resolver.Temporary(four) {
		return six
	}
	if four == nil {
		return six
	}
	return four
}
