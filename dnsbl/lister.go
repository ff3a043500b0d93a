// SPDX-License-Identifier: MIT

package dnsbl

import (
	"context"
	"log/slog"
	"net/netip"
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
	Unhealthy string       // why the zone's answers are not taken as they are; "" if they are
	Err       error        // no answer: nothing is known
}

// Options of a Lister. Zero values are the defaults.
type Options struct {
	Resolver resolver.Resolver
	Timeout  time.Duration         // for all questions of one Ask together [5s]
	Recheck  time.Duration         // how long a zone's health is remembered [10m]
	Now      func() time.Time      // [time.Now]
	Log      *slog.Logger          // [discarded]
	Metrics  prometheus.Registerer // [none]
}

// Lister asks lists. It is safe for use by many at once.
type Lister struct {
	Options
}

// New makes a Lister. It asks nothing yet.
func New(o Options) *Lister {
	return &Lister{Options: o}
}

// Ask asks all questions side by side and returns a result for each. It takes no longer than Options.Timeout.
func (l *Lister) Ask(ctx context.Context, asks []Ask) []Result {
	return make([]Result, len(asks))
}

// Score adds up the weights of the zones that list addr, and says which do, as postscreen(8) does. A zone that has several
// codes counts once.
func (l *Lister) Score(ctx context.Context, zones []Zone, addr netip.Addr) (score int, hits []string) {
	return 0, nil
}
