// SPDX-License-Identifier: MIT

package dnsbl

import (
	"context"
	"fmt"
	"net/netip"
	"sync"
	"time"

	"posthouse/resolver"
)

// probe is a zone and the kind of question it is asked. A zone may be in order for one kind and not for another.
type probe struct {
	domain string
	kind   kind
}

type kind uint8

const (
	ofIPv4 kind = iota
	ofIPv6
	ofName
)

func (a Ask) probe() probe {
	switch {
	case !a.Addr.IsValid():
		return probe{a.Zone.Domain, ofName}
	case a.Addr.Unmap().Is4():
		return probe{a.Zone.Domain, ofIPv4}
	}
	return probe{a.Zone.Domain, ofIPv6}
}

// test is what no zone lists (RFC 5782 5), and name is where to ask for it.
func (p probe) test() (subject, name string) {
	switch p.kind {
	case ofIPv4:
		subject = "127.0.0.1"
		return subject, addrName(netip.MustParseAddr(subject), p.domain)
	case ofIPv6:
		subject = "::ffff:127.0.0.1"
		return subject, string(nibbles(nil, netip.MustParseAddr(subject).As16())) + p.domain + "."
	}
	return "invalid", "invalid." + p.domain + "."
}

// health is what is known of a zone's state of mind.
type health struct {
	counters counters
	first    chan struct{} // closed when the question was settled once

	mu        sync.Mutex
	due       time.Time // when it is asked again
	asking    bool
	unhealthy string    // "" healthy, or not known to be otherwise
	everybody bool      // it lists everybody: nothing counts
	told      time.Time // when it was last said that it gave no answer
}

// missed reports that it is time for a line about an answer that could not be had: one a minute, however much mail there is.
func (h *health) missed(now time.Time) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.told.IsZero() && now.Sub(h.told) < unsure {
		return false
	}
	h.told = now
	return true
}

// healthOf finds a zone's health, and has it asked for in the background when it is time.
func (l *Lister) healthOf(p probe) *health {
	l.mu.Lock()
	h := l.health[p]
	if h == nil {
		h = &health{first: make(chan struct{}), counters: l.metrics.of(p.domain)}
		l.health[p] = h
	}
	l.mu.Unlock()
	if h.claim(l.Now()) {
		go l.examine(p, h)
	}
	return h
}

// claim reports that it is for the caller to ask.
func (h *health) claim(now time.Time) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.asking || now.Before(h.due) {
		return false
	}
	h.asking = true
	return true
}

// known is why everything the zone says is doubted, "" if nothing is; false before the first answer.
func (h *health) known() (everybody string, ok bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.everybody {
		everybody = h.unhealthy
	}
	return everybody, !h.due.IsZero()
}

// wait is known as soon as it is. A zone that cannot be examined in time is taken at its word: else a list that loses the
// test question alone would list nobody, unseen.
func (h *health) wait(ctx context.Context) (everybody string) {
	select {
	case <-h.first:
	case <-ctx.Done():
	}
	everybody, _ = h.known()
	return everybody
}

// unsure is how soon a zone is examined again if it did not answer.
const unsure = time.Minute

// examine asks the test question. It has its own deadline: whoever asked first may be gone before the answer.
func (l *Lister) examine(p probe, h *health) {
	ctx, cancel := context.WithTimeout(context.Background(), l.Timeout)
	defer cancel()
	subject, name := p.test()
	answer, err := l.askSafely(ctx, name)
	if resolver.Temporary(err) {
		h.settle(l.Now().Add(min(unsure, l.Recheck)), func() {})
		return
	}
	unhealthy, everybody := diagnose(subject, answer.IPv4())
	h.settle(l.Now().Add(l.Recheck), func() {
		l.metrics.sick(p, unhealthy != "")
		if (unhealthy == "") != (h.unhealthy == "") {
			l.report(p, unhealthy)
		}
		h.unhealthy, h.everybody = unhealthy, everybody
	})
}

// askSafely asks in a goroutine of its own, where nobody else catches a panic.
func (l *Lister) askSafely(ctx context.Context, name string) (answer resolver.Answer, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("look up %s: panic: %v", name, p)
		}
	}()
	return l.Resolver.Ask(ctx, name, resolver.TypeA)
}

// settle ends an examination.
func (h *health) settle(due time.Time, learn func()) {
	h.mu.Lock()
	defer h.mu.Unlock()
	learn()
	if h.due.IsZero() {
		close(h.first)
	}
	h.due, h.asking = due, false
}

// diagnose reads the codes given for what must not be listed.
func diagnose(subject string, codes []netip.Addr) (unhealthy string, everybody bool) {
	for _, code := range codes {
		if !refuses(code) {
			return fmt.Sprintf("lists %s (%s) and so everybody", subject, code), true
		}
		unhealthy = fmt.Sprintf("does not serve our resolver (%s)", code)
	}
	return unhealthy, false
}

// report logs a change.
func (l *Lister) report(p probe, unhealthy string) {
	if unhealthy == "" {
		l.Log.Info("a DNS list is in order again", "zone", p.domain, "asked", p.kind.String())
		return
	}
	l.Log.Warn("a DNS list is not in order, what it says does not count", "zone", p.domain, "asked", p.kind.String(), "why", unhealthy)
}

func (k kind) String() string { return [...]string{"ipv4", "ipv6", "name"}[k] }
