// SPDX-License-Identifier: MIT

package delivery

import (
	"errors"
	"time"

	"posthouse/mail"
	"posthouse/queue"
	"posthouse/reply"
)

// fate is what becomes of a row.
type fate uint8

const (
	untouched fate = iota // as it was: the attempt was cut off
	sent                  // delivered or relayed
	deferred              // stays, to be tried again
	failed                // given up: refused for good
	expired               // given up: too old
)

func (f fate) String() string {
	return [...]string{"unknown", "sent", "deferred", "failed", "expired"}[f]
}

// gone reports a row that leaves the queue.
func (f fate) gone() bool { return f == sent || f == failed || f == expired }

// verdict is a row's fate. row is how it is stored if it stays, result what the sender is told and the log has.
type verdict struct {
	fate   fate
	row    queue.Row
	result mail.Result
	warn   bool // its delay warning is due now
}

// errNoResult is why a carrier that said nothing of a recipient defers it.
var errNoResult = errors.New("carrier gave no result")

// judge weighs the result of an attempt that ended now.
func (m *Manager) judge(env *mail.Envelope, row queue.Row, r mail.Result, cutOff bool) verdict {
	v := verdict{row: row, result: r}
	switch r.Status {
	case mail.Delivered, mail.Relayed:
		v.fate = sent
		return v
	case mail.Failed:
		v.fate = failed
		return v
	case mail.Deferred:
	default: // Unknown
		if cutOff {
			return v
		}
		v.result.Status = mail.Deferred // without a wait it would be claimed again at once, and again
	}
	if r.Reply.Code == 0 {
		v.result.Reply = reply.LocalError.Because(errNoResult)
	}
	now := m.Now()
	v.row.Attempts++
	v.row.Last = v.result
	v.row.Due = m.Config.Retry.next(env.Arrived, now, m.Random())
	m.age(env, &v, now)
	return v
}

// age judges a row that was not delivered by the attempt at that time: it may be too old, or its warning due.
func (m *Manager) age(env *mail.Envelope, v *verdict, attempt time.Time) {
	v.fate = deferred
	switch {
	case m.Config.Retry.expired(env.Arrived, attempt):
		v.fate = expired
	case !v.row.Delayed && m.Config.Retry.late(env.Arrived, attempt):
		v.warn = true
		v.row.Delayed = true
	}
}

// judgeHop weighs what an attempt says of the destination as a whole. It returns until when to leave it alone, zero if
// it is well. An attempt that was cut off says nothing.
func (m *Manager) judgeHop(destination string, began time.Time, results []mail.Result) time.Time {
	var dead *mail.Result
	for i := range results {
		r := &results[i]
		switch {
		case r.HopDead && r.Status == mail.Deferred:
			dead = r
		case r.Status != mail.Unknown:
			m.hops.well(destination)
			return time.Time{}
		}
	}
	if dead != nil {
		defer m.wakeSweep()
		return m.hops.failed(destination, began, *dead)
	}
	return m.deadUntil(destination)
}
