// SPDX-License-Identifier: MIT

package dnsbl

import (
	"context"
	"log/slog"
	"net/netip"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"posthouse/resolver"
)

// Ask is one question to one list, about an address or a name.
type Ask struct {
	Zone Zone
	Addr netip.Addr // asked about if valid
	Name string     // else this: a domain or an address with one, in A-labels
}

// Result is what a list said. The zero Result is "not listed".
type Result struct {
	Listed    bool         // a code that counts, from a zone in its right mind
	Codes     []netip.Addr // all codes answered, whether they count or not
	Text      string       // the zone's words on a listing, printable, at most 255 octets; "" if it has none
	Unhealthy string       // why the zone's answer is not taken as it is; "" if it is
	Err       error        // no answer: nothing is known
}

// Options of a Lister. Zero values are the defaults.
type Options struct {
	Resolver resolver.Resolver     // remembers answers, and sends equal questions once
	Timeout  time.Duration         // for all questions of one Ask together [5s]
	Recheck  time.Duration         // how long a zone's health is remembered [10m]
	Now      func() time.Time      // [time.Now]
	Log      *slog.Logger          // [discarded]
	Metrics  prometheus.Registerer // [none]
}

// Lister asks lists. It is safe for use by many at once.
type Lister struct {
	Options
	memory  memory // of the resolver, nil if it has none to look into
	metrics *metrics

	mu     sync.Mutex
	health map[probe]*health
}

// memory is what a caching resolver knows without asking.
type memory interface {
	Known(name string, rrtype uint16) (resolver.Answer, error, bool)
}

// New makes a Lister. It asks nothing yet.
func New(o Options) *Lister {
	if o.Timeout <= 0 {
		o.Timeout = 5 * time.Second
	}
	if o.Recheck <= 0 {
		o.Recheck = 10 * time.Minute
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	l := &Lister{Options: o, metrics: newMetrics(o.Metrics), health: make(map[probe]*health)}
	l.memory, _ = o.Resolver.(memory)
	return l
}

// Ask asks all questions side by side and returns a result for each. It takes no longer than Options.Timeout.
func (l *Lister) Ask(ctx context.Context, asks []Ask) []Result { return l.askAll(ctx, asks, true) }

// askAll takes first what is remembered; only what has to be asked over the network costs a goroutine.
func (l *Lister) askAll(ctx context.Context, asks []Ask, text bool) []Result {
	out := make([]Result, len(asks))
	var open []lookup
	for i := range asks {
		k := lookup{lister: l, zone: &asks[i].Zone, name: asks[i].name(), text: text, result: &out[i]}
		if k.name == "" {
			continue
		}
		k.health = l.healthOf(asks[i].probe())
		if !k.remembered() {
			open = append(open, k)
		}
	}
	if len(open) > 0 {
		l.await(ctx, open)
	}
	return out
}

// await asks what is open. The deadline is one for all, the TXT records included.
func (l *Lister) await(ctx context.Context, open []lookup) {
	ctx, cancel := context.WithTimeout(ctx, l.Timeout)
	defer cancel()
	var all sync.WaitGroup
	for i := range open {
		all.Go(func() { open[i].askSafely(ctx) })
	}
	all.Wait()
}

// Score adds up the weights of the zones that list addr, and says which do, as postscreen(8) does. A zone that has several
// codes counts once.
func (l *Lister) Score(ctx context.Context, zones []Zone, addr netip.Addr) (score int, hits []string) {
	asks := make([]Ask, len(zones))
	for i, z := range zones {
		asks[i] = Ask{Zone: z, Addr: addr}
	}
	for i, r := range l.askAll(ctx, asks, false) {
		if r.Listed {
			score += zones[i].Weight
			hits = append(hits, zones[i].String())
		}
	}
	return score, hits
}
