// SPDX-License-Identifier: MIT

package delivery

import (
	"context"
	"log/slog"

	"posthouse/mail"
)

// note writes one line for each recipient's outcome, in Postfix's words where it has them.
func (m *Manager) note(env *mail.Envelope, verdicts []verdict) {
	for _, v := range verdicts {
		if !v.waits() {
			m.metrics.outcomes.WithLabelValues(v.fate.String()).Inc()
		}
		if v.fate == sent {
			m.metrics.delay.Observe(m.Now().Sub(env.Arrived).Seconds())
		}
		m.Log.LogAttrs(context.Background(), v.level(), "delivery", m.attributes(env, v)...)
	}
}

// waits reports a row that was looked at and goes on waiting for a dead host: no event in anyone's eyes.
func (v verdict) waits() bool { return v.unseen && v.fate == deferred && !v.warn }

func (v verdict) level() slog.Level {
	switch {
	case v.waits():
		return slog.LevelDebug
	case v.fate == failed || v.fate == expired:
		return slog.LevelWarn
	}
	return slog.LevelInfo
}

// mostAttributes is room for all that a line may have, so that it is allocated once.
const mostAttributes = 14

func (m *Manager) attributes(env *mail.Envelope, v verdict) []slog.Attr {
	attrs := append(make([]slog.Attr, 0, mostAttributes), slog.String("id", string(env.ID)))
	if a := env.Client.Addr; a.IsValid() {
		attrs = append(attrs, slog.String("client", a.Addr().String()))
	}
	attrs = append(attrs, slog.String("from", env.From.String()))
	if n := v.row.N; n >= 0 && n < len(env.Recipients) {
		attrs = append(attrs, addresses(env.Recipients[n])...)
	}
	attrs = append(attrs,
		slog.String("status", v.fate.String()),
		slog.String("dsn", v.result.Reply.Enhanced),
		slog.String("relay", v.result.Remote),
		slog.String("tls", v.result.TLS),
		slog.Float64("delay", m.Now().Sub(env.Arrived).Seconds()),
		slog.Int("attempts", v.row.Attempts),
	)
	if v.result.Reply.Code != 0 {
		attrs = append(attrs, slog.String("reply", v.result.Reply.Error()))
	}
	if v.fate == deferred {
		attrs = append(attrs, slog.Time("next", v.row.Due.UTC()))
	}
	return attrs
}

// addresses is who gets it, and where that differs who was asked for and as whom we send.
func addresses(to mail.Recipient) []slog.Attr {
	attrs := []slog.Attr{slog.String("to", to.To.String())}
	if to.Given != to.To && !to.Given.IsNull() {
		attrs = append(attrs, slog.String("orig_to", to.Given.String()))
	}
	if to.Sender != nil {
		attrs = append(attrs, slog.String("sender", to.Sender.String()))
	}
	return attrs
}
