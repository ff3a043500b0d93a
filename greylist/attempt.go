// SPDX-License-Identifier: MIT

package greylist

import (
	"math"
	"time"

	"posthouse/config"
)

// state of an entry, in the order in which entries go when there are too many.
type state uint8

const (
	pending state = iota // a triplet that was told to wait
	passed               // one that came back
	server               // a client network, with its successes
	states
)

// facts is what is known of a triplet or a client network. Times are milliseconds since 1970. The zero facts are none.
type facts struct {
	state       state
	count       uint16 // successes of a network
	first, last int64
}

func (f facts) none() bool { return f.last == 0 }

func ms(d config.Duration) int64 { return time.Duration(d).Milliseconds() }

// attempt is what an attempt now makes of a triplet.
func (s *settings) attempt(old facts, now int64) (next facts, result Result) {
	next = old
	next.last = now
	waited := now - old.first
	switch {
	case old.none() || old.state == pending && waited > ms(s.RetryWindow):
		return facts{state: pending, first: now, last: now}, Result{Wait: time.Duration(s.Delay), Why: New}
	case old.state == passed:
		return next, Result{Pass: true, Why: Known}
	case waited < ms(s.Delay):
		return next, Result{Wait: time.Duration(ms(s.Delay)-waited) * time.Millisecond, Why: TooEarly}
	}
	next.state = passed
	return next, Result{Pass: true, Why: Waited}
}

// each is how often a success of a client network counts.
const each = int64(time.Hour / time.Millisecond)

// succeed counts a success of a client network, one an hour.
func (s *settings) succeed(old facts, now int64) facts {
	switch {
	case old.none():
		return facts{state: server, count: 1, first: now, last: now}
	case now-old.last < each:
		return old
	case old.count < math.MaxUint16:
		old.count++
	}
	old.last = now
	return old
}

// greet reports a client network that need not wait. That it was seen is noted once an hour.
func (s *settings) greet(old facts, now int64) (next facts, known bool) {
	if s.AutoWhitelistClients == 0 || old.none() || int(old.count) < s.AutoWhitelistClients {
		return old, false
	}
	return s.succeed(old, now), true
}

// expired reports what is as if it had never been.
func (s *settings) expired(f facts, now int64) bool {
	if f.state == pending {
		return now-f.last > ms(s.RetryWindow)
	}
	return now-f.last > ms(s.MaxAge)
}
