// SPDX-License-Identifier: MIT

package delivery

import (
	"context"
	"fmt"
	"slices"
	"time"

	"posthouse/mail"
	"posthouse/queue"
)

// settle writes the verdicts and the reports they cause as one Change, then logs them. It does not end with ctx: a commit
// runs to its end.
func (m *Manager) settle(ctx context.Context, c *queue.Claim, env *mail.Envelope, msg *mail.Message, verdicts []verdict, dead time.Time) error {
	if !slices.ContainsFunc(verdicts, func(v verdict) bool { return v.fate != untouched }) {
		m.Queue.Abandon(c)
		m.note(env, verdicts)
		return nil
	}
	reports, err := m.reports(env, msg, verdicts)
	if err != nil {
		m.Log.Error("report to the sender cannot be made, the mail stays in the queue", "id", env.ID, "error", err)
		reports, verdicts = nil, m.keep(env, verdicts)
	}
	s := settlement(verdicts)
	s.Add, s.Dead = entries(reports), dead
	if err := m.Queue.Settle(context.WithoutCancel(ctx), c, s); err != nil {
		return fmt.Errorf("settling %s: %w", c.ID, err)
	}
	m.note(env, verdicts)
	m.noteReports(env, reports)
	return nil
}

// settlement sorts the rows into those that leave and those that stay.
func settlement(verdicts []verdict) (s queue.Settlement) {
	for _, v := range verdicts {
		if v.fate.gone() {
			s.Done = append(s.Done, v.row)
		} else {
			s.Put = append(s.Put, v.row)
		}
	}
	return s
}

// keep turns what was to leave with a report into deferred: the sender has to be told. What was delivered stays so.
func (m *Manager) keep(env *mail.Envelope, verdicts []verdict) []verdict {
	kept := slices.Clone(verdicts)
	for i := range kept {
		v := &kept[i]
		v.warn = false
		if v.fate == failed || v.fate == expired {
			v.fate = deferred
			v.row.Due = m.config().Retry.next(env.Arrived, m.Now(), m.Random())
		}
	}
	return kept
}
