// SPDX-License-Identifier: MIT

package delivery

import (
	"errors"

	"posthouse/mail"
	"posthouse/queue"
)

// report is one DSN ready to be queued.
type report struct {
	kind  string
	entry queue.Entry
}

func entries(reports []report) (out []queue.Entry) {
	for _, r := range reports {
		out = append(out, r.entry)
	}
	return out
}

var errNoReports = errors.New("reports are not made yet")

// reports refuses what asks for one, so that no failure goes untold.
func (m *Manager) reports(env *mail.Envelope, _ *mail.Message, verdicts []verdict) ([]report, error) {
	for _, v := range verdicts {
		if (v.fate == failed || v.fate == expired || v.warn) && !env.From.IsNull() {
			return nil, errNoReports
		}
	}
	return nil, nil
}

func (m *Manager) noteReports(*mail.Envelope, []report) {}
