// SPDX-License-Identifier: MIT

package delivery

import (
	"time"
)

// jitterPart of a wait is taken off at random, so that what was deferred together does not come back together.
const jitterPart = 0.1

// next is when to try again what arrived then and was deferred now. As in Postfix the wait is the age, between minimum
// and maximum, so that it doubles each time. random is in [0, 1).
func (r Retry) next(arrived, now time.Time, random float64) time.Time {
	low, high := time.Duration(r.Minimum), time.Duration(r.Maximum)
	wait := min(max(now.Sub(arrived), low), high)
	wait -= time.Duration(random * jitterPart * float64(wait))
	return now.Add(max(wait, low))
}

// backoff is how long a destination is left alone after it was found dead n times in a row, n from 1.
func (r Retry) backoff(n int) time.Duration {
	wait, high := time.Duration(r.Minimum), time.Duration(r.Maximum)
	for ; n > 1 && wait < high; n-- {
		wait *= 2
	}
	return min(wait, high)
}

// expired reports whether mail of that age is given up after an attempt at that time.
func (r Retry) expired(arrived, attempt time.Time) bool {
	return attempt.Sub(arrived) >= time.Duration(r.Lifetime)
}

// late reports whether the sender is told of the delay after an attempt at that time.
func (r Retry) late(arrived, attempt time.Time) bool {
	return r.DelayWarning > 0 && attempt.Sub(arrived) >= time.Duration(r.DelayWarning)
}

// judgedAt is a Due by which the queue brings a row of a dead destination, as suspended, just when its warning or its
// end comes.
func (r Retry) judgedAt(arrived time.Time, warned bool) time.Time {
	wait := time.Duration(r.Lifetime)
	if r.DelayWarning > 0 && !warned {
		wait = min(wait, time.Duration(r.DelayWarning))
	}
	return arrived.Add(wait - r.Overdue())
}

// Overdue is queue.Options.Overdue: how long mail for a dead destination waits until its age is judged without a try. It
// costs one write of each row that often.
func (r Retry) Overdue() time.Duration {
	if r.DelayWarning > 0 {
		return min(time.Duration(r.DelayWarning), time.Duration(r.Lifetime))
	}
	return min(time.Duration(DefaultRetry().DelayWarning), time.Duration(r.Lifetime))
}
