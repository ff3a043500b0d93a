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
	unseen bool // judged by age alone: no attempt was made
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
	v.row.Attempts++
	m.age(env, &v)
	return v
}

// age judges a row that is not delivered now: it may be too old, or its warning due.
func (m *Manager) age(env *mail.Envelope, v *verdict) {
	now, retry := m.Now(), m.config().Retry
	v.fate = deferred
	v.row.Last = v.result
	v.row.Due = retry.next(env.Arrived, now, m.Random())
	switch {
	case retry.expired(env.Arrived, now):
		v.fate = expired
	case !v.row.Delayed && retry.late(env.Arrived, now):
		v.warn = true
		v.row.Delayed = true
	}
	if v.result.HopDead {
		v.row.Due = earlier(v.row.Due.Truncate(together), retry.judgedAt(env.Arrived, v.row.Delayed))
	}
}

// together is how rows of a dead destination are bundled: they wait for one host, and are read in one go.
const together = 5 * time.Minute

// judgeUntried judges the age of a row whose destination is dead, by the attempt that found it so. If the clock has jumped
// since, that attempt says nothing of the days that were skipped, and nothing expires. A time that has not helped before
// is not set again: the claim would come back at once.
func (m *Manager) judgeUntried(env *mail.Envelope, row queue.Row) verdict {
	v := verdict{row: row, result: row.Last, unseen: true}
	if d, dead := m.hops.get(row.Destination); dead {
		v.result = d.last
	}
	if v.result.Reply.Code == 0 {
		v.result = mail.Result{Status: mail.Deferred, Reply: reply.NoContact, HopDead: true}
	}
	m.age(env, &v)
	if v.fate == expired && !m.hops.triedLately(row.Destination) {
		v.fate = deferred
	}
	if v.row.Due.Equal(row.Due) {
		v.row.Due = m.config().Retry.next(env.Arrived, m.Now(), m.Random())
	}
	return v
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

// judgeReturned gives a row up because an operator wants it.
func judgeReturned(row queue.Row) verdict {
	return verdict{fate: failed, row: row, result: mail.Result{Status: mail.Failed, Reply: reply.BouncedByHand}}
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
		return m.hops.failed(destination, began, *dead)
	}
	return m.hops.deadUntil(destination)
}
