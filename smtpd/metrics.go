// SPDX-License-Identifier: MIT

package smtpd

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics are posthouse_<service>_...; every label has a handful of values, none of them a stranger's choice.
type metrics struct {
	connections     prometheus.Counter
	open            prometheus.Gauge
	refused         *prometheus.CounterVec // limit
	events          *prometheus.CounterVec // event: guard.Event
	replies         *prometheus.CounterVec // verb, class: 4yz, 5yz
	authentications *prometheus.CounterVec // result: ok, failed, error
	accepted        prometheus.Counter
	octets          prometheus.Counter
}

// newMetrics registers them with r, if there is one. expiry is that of the first certificate; nil without TLS.
func newMetrics(service string, expiry func() time.Time, r prometheus.Registerer) (*metrics, error) {
	opts := func(name, help string) prometheus.CounterOpts {
		return prometheus.CounterOpts{Namespace: "posthouse", Subsystem: service, Name: name, Help: help}
	}
	m := &metrics{
		connections:     prometheus.NewCounter(opts("connections_total", "Connections accepted.")),
		open:            prometheus.NewGauge(prometheus.GaugeOpts(opts("connections", "Connections open now."))),
		refused:         prometheus.NewCounterVec(opts("connections_refused_total", "Connections refused by a limit."), []string{"limit"}),
		events:          prometheus.NewCounterVec(opts("events_total", "Connections ended, and breaches of the protocol."), []string{"event"}),
		replies:         prometheus.NewCounterVec(opts("refusals_total", "Commands refused by the service."), []string{"verb", "class"}),
		authentications: prometheus.NewCounterVec(opts("authentications_total", "Attempts to log in."), []string{"result"}),
		accepted:        prometheus.NewCounter(opts("messages_total", "Messages answered with 250.")),
		octets:          prometheus.NewCounter(opts("message_octets_total", "Octets of messages received.")),
	}
	if r == nil {
		return m, nil
	}
	all := []prometheus.Collector{m.connections, m.open, m.refused, m.events, m.replies, m.authentications, m.accepted, m.octets}
	if expiry != nil {
		o := prometheus.GaugeOpts(opts("certificate_not_after_seconds", "When the first certificate expires, in Unix time."))
		all = append(all, prometheus.NewGaugeFunc(o, func() float64 { return float64(expiry().Unix()) }))
	}
	for _, c := range all {
		if err := r.Register(c); err != nil {
			return nil, err
		}
	}
	return m, nil
}
