// SPDX-License-Identifier: MIT

package balancer

import (
	"maps"
	"slices"

	"github.com/prometheus/client_golang/prometheus"

	"posthouse/balancer/loop"
)

// metrics are read from what the loops count anyway, when somebody asks. Every label is a word of the cluster file or of
// this program.
type metrics struct {
	b *Balancer

	sessions, ended, refused, bytes            *prometheus.Desc
	up, connections, picked, failures, connect *prometheus.Desc
	accepted, paused, pipes, pending, lost     *prometheus.Desc
}

func newMetrics(b *Balancer) *metrics {
	d := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc("posthouse_balancer_"+name, help, labels, nil)
	}
	return &metrics{
		b:        b,
		sessions: d("connections", "Sessions now.", "service"),
		ended:    d("connections_total", "Sessions that have ended, by the reason.", "service", "result"),
		refused:  d("refused_total", "Clients that were closed without a byte.", "service", "reason"),
		bytes:    d("bytes_total", "Bytes of sessions that have ended.", "service", "from"),

		up:          d("server_up", "Addresses of the server that can be used.", "service", "server"),
		connections: d("server_connections", "Connections to the server now.", "service", "server"),
		picked:      d("server_picked_total", "Times that the server was chosen.", "service", "server"),
		failures:    d("server_failures_total", "Connections to the server that failed.", "service", "server"),
		connect:     d("server_connect_seconds", "Time until the server took a connection.", "service", "server"),

		accepted: d("accepted_total", "Connections that were accepted."),
		paused:   d("paused", "1 while accepting waits for sessions to end: the limit of open files is reached."),
		pipes:    d("pipes", "Pipes in use, for bulk data."),
		pending:  d("pending_bytes", "Bytes held for receivers that do not take them."),
		lost:     d("log_lines_lost_total", "Lines about sessions that were not written, since the log did not keep up."),
	}
}

// Describe is of prometheus.Collector.
func (m *metrics) Describe(c chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{
		m.sessions, m.ended, m.refused, m.bytes, m.up, m.connections, m.picked, m.failures, m.connect,
		m.accepted, m.paused, m.pipes, m.pending, m.lost,
	} {
		c <- d
	}
}

// Collect is of prometheus.Collector.
func (m *metrics) Collect(c chan<- prometheus.Metric) {
	count := func(d *prometheus.Desc, n int64, labels ...string) {
		c <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(n), labels...)
	}
	gauge := func(d *prometheus.Desc, n int64, labels ...string) {
		c <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, float64(n), labels...)
	}
	for _, w := range m.b.ways() {
		name, n := w.service.name, &w.service.counts
		gauge(m.sessions, n.current.Load(), name)
		for r := loop.ClientClosed; r <= loop.Failed; r++ {
			if r == loop.HeaderBad || r == loop.HeaderTimeout {
				continue // those have been no sessions
			}
			count(m.ended, n.ended[r].Load(), name, label(r))
		}
		for r := range refusals {
			count(m.refused, n.refused[r].Load(), name, r.String())
		}
		count(m.bytes, n.fromClient.Load(), name, "client")
		count(m.bytes, n.fromServer.Load(), name, "server")
		m.servers(w, gauge, count, c)
	}
	s := m.b.engine.Stats()
	count(m.accepted, s.Accepted)
	gauge(m.paused, int64(btoi(s.Paused)))
	gauge(m.pipes, int64(s.Pipes))
	gauge(m.pending, s.Pending)
	count(m.lost, m.b.journal.lost.Load())
}

// servers are one service's, by their configured names; the addresses of a name are added up.
func (m *metrics) servers(w *way, gauge, count func(*prometheus.Desc, int64, ...string), c chan<- prometheus.Metric) {
	up, conns := make(map[string]int64), make(map[string]int64)
	for _, member := range w.group.Members() {
		s := member.Status()
		up[s.Name] += int64(btoi(usable(s.State)))
		conns[s.Name] += int64(s.Conns)
	}
	for _, name := range slices.Sorted(maps.Keys(w.servers)) {
		n, labels := w.servers[name], []string{w.service.name, name}
		gauge(m.up, up[name], labels...)
		gauge(m.connections, conns[name], labels...)
		count(m.picked, n.picked.Load(), labels...)
		count(m.failures, n.failures.Load(), labels...)
		c <- prometheus.MustNewConstSummary(m.connect, uint64(n.connects.Load()), float64(n.connectTime.Load())/1e9, nil, labels...)
	}
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}
