// SPDX-License-Identifier: MIT

package delivery

import (
	"strings"

	"github.com/prometheus/client_golang/prometheus"

	"posthouse/queue"
)

// metrics have no label whose values a stranger chooses.
type metrics struct {
	outcomes   *prometheus.CounterVec // by status: a fate
	delay      prometheus.Histogram   // seconds from arrival to sent
	reports    *prometheus.CounterVec // by kind of DSN
	suppressed *prometheus.CounterVec // reports not sent, by reason
	active     prometheus.Gauge
}

func newMetrics(r prometheus.Registerer, service string, q *queue.Queue) *metrics {
	subsystem := strings.ReplaceAll(service, "-", "_")
	counter := func(name, help, label string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: "posthouse", Subsystem: subsystem, Name: name, Help: help}, []string{label})
	}
	m := &metrics{
		outcomes:   counter("delivery_outcomes_total", "Recipients by the outcome of an attempt.", "status"),
		reports:    counter("delivery_reports_total", "Delivery status notifications queued.", "kind"),
		suppressed: counter("delivery_reports_suppressed_total", "Delivery status notifications not sent.", "reason"),
		delay: prometheus.NewHistogram(prometheus.HistogramOpts{Namespace: "posthouse", Subsystem: subsystem,
			Name: "delivery_delay_seconds", Help: "Time from arrival to delivery, per recipient.",
			Buckets: []float64{0.1, 0.5, 1, 5, 30, 60, 300, 1800, 3600, 14400, 86400, 432000}}),
		active: prometheus.NewGauge(prometheus.GaugeOpts{Namespace: "posthouse", Subsystem: subsystem,
			Name: "delivery_active", Help: "Attempts under way."}),
	}
	if r == nil {
		return m
	}
	gauge := func(name, help string, value func(queue.Stats) int) prometheus.Collector {
		return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Namespace: "posthouse", Subsystem: subsystem, Name: name, Help: help},
			func() float64 { return float64(value(q.Stats())) })
	}
	r.MustRegister(m.outcomes, m.reports, m.suppressed, m.delay, m.active,
		gauge("queue_claims", "Claims under way.", func(s queue.Stats) int { return s.Claims }),
		gauge("queue_destinations", "Destinations with mail that is not held.", func(s queue.Stats) int { return s.Destinations }),
		gauge("queue_dead_destinations", "Destinations that are left alone because their host is dead.", func(s queue.Stats) int { return s.BackedOff }))
	return m
}
