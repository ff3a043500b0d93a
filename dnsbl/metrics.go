// SPDX-License-Identifier: MIT

package dnsbl

import (
	"errors"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics are labelled with zones, which the configuration names, never with what was asked about.
type metrics struct {
	answers   *prometheus.CounterVec
	unhealthy *prometheus.GaugeVec
}

// answer is what an ask came to.
type answer int

const (
	notListed answer = iota
	listed
	ignored // codes that do not count
	failed
)

// counters are those of one zone, by answer.
type counters [4]prometheus.Counter

func newMetrics(r prometheus.Registerer) *metrics {
	return &metrics{
		answers: registered(r, prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: "posthouse", Subsystem: "dnsbl",
			Name: "answers_total", Help: "What DNS lists said; ignored: codes that no filter takes, or of an unhealthy zone."},
			[]string{"zone", "answer"})),
		unhealthy: registered(r, prometheus.NewGaugeVec(prometheus.GaugeOpts{Namespace: "posthouse", Subsystem: "dnsbl",
			Name: "unhealthy", Help: "1 if a DNS list lists everybody or does not serve our resolver."},
			[]string{"zone", "asked"})),
	}
}

// registered is c, or what a Lister of another service has registered in its place.
func registered[C prometheus.Collector](r prometheus.Registerer, c C) C {
	if r == nil {
		return c
	}
	err := r.Register(c)
	var there prometheus.AlreadyRegisteredError
	if errors.As(err, &there) {
		return there.ExistingCollector.(C)
	}
	if err != nil {
		panic(err) // a bug: two metrics of one name
	}
	return c
}

func (m *metrics) of(zone string) counters {
	var c counters
	for i, word := range [...]string{notListed: "not_listed", listed: "listed", ignored: "ignored", failed: "error"} {
		c[i] = m.answers.WithLabelValues(zone, word)
	}
	return c
}

func (m *metrics) sick(p probe, is bool) {
	g := m.unhealthy.WithLabelValues(p.domain, p.kind.String())
	if g.Set(0); is {
		g.Set(1)
	}
}

func (r Result) kind() answer {
	switch {
	case r.Err != nil:
		return failed
	case r.Listed:
		return listed
	case len(r.Codes) > 0:
		return ignored
	}
	return notListed
}
