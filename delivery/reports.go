// SPDX-License-Identifier: MIT

package delivery

import (
	"fmt"
	"slices"
	"time"

	"posthouse/dsn"
	"posthouse/mail"
	"posthouse/queue"
	"posthouse/reply"
)

// report is one DSN ready to be queued.
type report struct {
	kind  dsn.Kind
	entry queue.Entry
}

func entries(reports []report) (out []queue.Entry) {
	for _, r := range reports {
		out = append(out, r.entry)
	}
	return out
}

// reports makes what the sender is to be told, one report of each kind at most, or says in the log why nothing is.
func (m *Manager) reports(env *mail.Envelope, msg *mail.Message, verdicts []verdict) (out []report, err error) {
	for _, kind := range []dsn.Kind{dsn.Failure, dsn.Delay, dsn.Success} {
		about := concerned(kind, env, verdicts)
		if len(about) == 0 || m.suppressed(kind, env, about) {
			continue
		}
		r, err := m.report(kind, env, msg, about)
		if err != nil {
			return nil, fmt.Errorf("%s report: %w", kind, err)
		}
		out = append(out, r)
	}
	return out, nil
}

// concerned is the recipients that this kind is about and who want it.
func concerned(kind dsn.Kind, env *mail.Envelope, verdicts []verdict) (out []dsn.Recipient) {
	for _, v := range verdicts {
		n := v.row.N
		if n < 0 || n >= len(env.Recipients) || !calls(kind, v) || !dsn.Asks(kind, env.Recipients[n].Notify) {
			continue
		}
		out = append(out, dsn.Recipient{Recipient: env.Recipients[n], Result: v.result})
	}
	return out
}

// calls reports that a verdict calls for that kind of report.
func calls(kind dsn.Kind, v verdict) bool {
	switch v.fate {
	case failed, expired:
		return kind == dsn.Failure
	case deferred:
		return kind == dsn.Delay && v.warn
	case sent:
		of, ok := dsn.OfResult(v.result)
		return ok && of == kind
	}
	return false
}

// Why a report is not sent, for log and metric.
const (
	whyNull            = "null_sender"     // a bounce of a bounce
	whyRequireTLS      = "requiretls"      // a bounce of mail with REQUIRETLS, whose way back lacks it
	whyUnauthenticated = "unauthenticated" // SPF or DMARC failed: the sender is somebody else, most likely
)

// suppressed reports that nobody may be told. That mail ends here unseen, so it is logged.
func (m *Manager) suppressed(kind dsn.Kind, env *mail.Envelope, about []dsn.Recipient) bool {
	why := ""
	switch {
	case env.From.IsNull() && env.RequireTLS && refusedAs(reply.RequireTLSFails, about):
		why = whyRequireTLS
	case env.From.IsNull():
		why = whyNull
	case env.Unauthenticated && !m.config().BounceUnauthenticated:
		why = whyUnauthenticated
	default:
		return false
	}
	m.metrics.suppressed.WithLabelValues(why).Add(float64(len(about)))
	if kind == dsn.Failure {
		for _, to := range about {
			m.Log.Warn("undeliverable, and the sender is not told", "id", env.ID, "from", env.From, "to", to.To,
				"reason", why, "reply", to.Result.Reply.Error())
		}
	}
	return true
}

func refusedAs(why reply.Reply, about []dsn.Recipient) bool {
	return slices.ContainsFunc(about, func(to dsn.Recipient) bool { return to.Result.Reply.Enhanced == why.Enhanced })
}

// report makes one. It never panics: what a stranger's message does to the writer of reports must not end the service.
func (m *Manager) report(kind dsn.Kind, env *mail.Envelope, msg *mail.Message, about []dsn.Recipient) (r report, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v", p)
		}
	}()
	e, body, err := dsn.Report(dsn.Input{
		Kind: kind, Envelope: env, Message: msg, Recipients: about, Hostname: m.inForce().hostname, Now: m.Now(),
		RetryUntil: env.Arrived.Add(time.Duration(m.config().Retry.Lifetime)),
	})
	if err != nil {
		return report{}, err
	}
	if m.Expand != nil {
		if to := m.Expand(e.Recipients[0]); len(to) > 0 {
			e.Recipients = to
		}
	}
	return report{kind, queue.Entry{Envelope: e, Message: body}}, nil
}

func (m *Manager) noteReports(env *mail.Envelope, reports []report) {
	for _, r := range reports {
		m.metrics.reports.WithLabelValues(r.kind.String()).Inc()
		m.Log.Info("report to the sender", "id", env.ID, "kind", r.kind.String(), "report", r.entry.Envelope.ID, "to", env.From)
	}
}
