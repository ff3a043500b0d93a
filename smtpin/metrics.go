// SPDX-License-Identifier: MIT

package smtpin

import (
	"strings"

	"github.com/prometheus/client_golang/prometheus"

	"posthouse/milter"
	"posthouse/policy"
)

// Metrics are posthouse_smtp_in_...; labels are words of the configuration, of an RFC or of this package, never a stranger's.
// A nil Metrics counts nothing.
type Metrics struct {
	gates    *prometheus.CounterVec // result: pass, enforce, drop, ignore
	rules    *prometheus.CounterVec // rule: its first word; action: reject, defer
	filters  *prometheus.CounterVec // action: reject, tempfail, discard, quarantine; by: filter, default_action
	contents *prometheus.CounterVec // action: of header_checks, body_checks and the lists: discard, hold, redirect
	results  *prometheus.CounterVec // method: spf, dkim, dmarc; result: RFC 8601
}

// NewMetrics registers them with r.
func NewMetrics(r prometheus.Registerer) (*Metrics, error) {
	vector := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: "posthouse", Subsystem: "smtp_in", Name: name, Help: help}, labels)
	}
	m := &Metrics{
		gates:    vector("gate_total", "Clients that the gate has judged.", "result"),
		rules:    vector("restrictions_total", "Recipients and messages refused by the restriction lists.", "rule", "action"),
		filters:  vector("milters_total", "Verdicts of milters other than to go on.", "action", "by"),
		contents: vector("effects_total", "Messages that were thrown away, held or sent elsewhere.", "effect"),
		results:  vector("authentication_total", "Results of SPF, DKIM (each signature) and DMARC.", "method", "result"),
	}
	for _, c := range []prometheus.Collector{m.gates, m.rules, m.filters, m.contents, m.results} {
		if err := r.Register(c); err != nil {
			return nil, err
		}
	}
	return m, nil
}

func (m *Metrics) gate(result string) {
	if m != nil {
		m.gates.WithLabelValues(result).Inc()
	}
}

// rule counts a refusal by the first word of its rule: what follows may be long.
func (m *Metrics) rule(v policy.Verdict) {
	if m == nil {
		return
	}
	word, _, _ := strings.Cut(v.Rule, " ")
	m.rules.WithLabelValues(word, v.Action.String()).Inc()
}

func (m *Metrics) filter(v milter.Verdict) {
	if m == nil {
		return
	}
	by := "filter"
	if v.Err != nil {
		by = "default_action"
	}
	m.filters.WithLabelValues(v.Action.String(), by).Inc()
}

func (m *Metrics) effect(what string) {
	if m != nil {
		m.contents.WithLabelValues(what).Inc()
	}
}

func (m *Metrics) result(method, result string) {
	if m != nil {
		m.results.WithLabelValues(method, result).Inc()
	}
}
