// SPDX-License-Identifier: MIT

package delivery

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"posthouse/config"
	"posthouse/mail"
)

func TestHopsCountRoundsNotAttempts(t *testing.T) {
	t.Parallel()
	now := time.Unix(1e9, 0)
	h := newHops(DefaultRetry(), func() time.Time { return now })
	began := now
	now = now.Add(30 * time.Second)
	first := h.failed("x.test", began, down)
	for _, b := range []time.Time{began, now, now.Add(time.Millisecond)} {
		if other := h.failed("x.test", b, down); other != first || first.Sub(now) != 5*time.Minute {
			t.Errorf("side by side: %v, %v", first.Sub(now), other.Sub(now))
		}
	}
	var waits []time.Duration
	for range 6 {
		now = h.dead["x.test"].until
		began = now
		now = now.Add(time.Second)
		waits = append(waits, h.failed("x.test", began, down).Sub(now))
	}
	if got := fmt.Sprint(waits); got != "[10m0s 20m0s 40m0s 1h7m0s 1h7m0s 1h7m0s]" {
		t.Errorf("backs off %s", got)
	}
	h.well("x.test")
	if d := h.failed("x.test", now.Add(1), down).Sub(now); d != 5*time.Minute {
		t.Errorf("after recovery %v", d)
	}
}

func TestHopsForgetWhatNobodyAsksAbout(t *testing.T) {
	t.Parallel()
	now := time.Unix(1e9, 0)
	h := newHops(DefaultRetry(), func() time.Time { return now })
	for i := range 1000 {
		h.failed(fmt.Sprintf("%d.test", i), now, down)
	}
	now = now.Add(24 * time.Hour)
	h.failed("new.test", now, down)
	if n := len(h.dead); n != 1 {
		t.Errorf("%d remembered", n)
	}
}

func TestDeadDestinationIsLeftAloneAndItsMailUnwritten(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const n = 150
		var alive atomic.Bool
		var attempts atomic.Int32
		l := newLab(t, func(_ context.Context, env *mail.Envelope) mail.Outcome {
			attempts.Add(1)
			if alive.Load() || env.Recipients[0].To.Domain() == "well.test" {
				return mail.All(1, good)
			}
			return mail.All(1, down)
		})
		for i := range n {
			l.send("", fmt.Sprintf("%d@dead.test", i))
			time.Sleep(time.Millisecond)
		}
		l.start()
		time.Sleep(24 * time.Hour)
		rounds := 24*60/67 + 5
		if puts := l.store.puts(); puts > rounds+n*24/5 {
			t.Errorf("%d rows written in a day of %d rounds", puts, rounds)
		}
		before := attempts.Load()
		l.send("a@from.test", "b@well.test")
		synctest.Wait()
		if attempts.Load() != before+1 || len(l.store.left()) != n {
			t.Errorf("mail for another destination waits: %d", len(l.store.left()))
		}
		alive.Store(true)
		time.Sleep(70 * time.Minute)
		if left := l.store.left(); len(left) > n/2 {
			t.Errorf("%d left after recovery", len(left))
		}
		time.Sleep(70 * time.Minute)
		if left := l.store.left(); len(left) != 0 {
			t.Errorf("%d left, first %+v", len(left), left[0])
		}
		if err := l.end(); err != nil {
			t.Error(err)
		}
	})
}

func TestMailOfADeadDestinationExpiresAllTheSame(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const n = 150
		l := newLab(t, always(down))
		for i := range n {
			l.send("", fmt.Sprintf("%d@dead.test", i))
		}
		l.start()
		time.Sleep(5*24*time.Hour - time.Minute)
		if left := l.store.left(); len(left) != n {
			t.Errorf("%d left before their time", len(left))
		}
		time.Sleep(2 * time.Minute)
		if left := l.store.left(); len(left) != 0 {
			t.Errorf("%d never expired", len(left))
		}
		if err := l.end(); err != nil {
			t.Error(err)
		}
		if got := strings.Count(l.log.String(), "status=deferred"); got > n+5*24*60/67+50 { // warnings and probes
			t.Errorf("%d lines about mail that waits", got)
		}
		if got := strings.Count(l.log.String(), "status=expired dsn=4.4.1"); got != n {
			t.Errorf("%d expired in the log", got)
		}
	})
}

func TestHeldMailDoesNotExpire(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, always(down))
		env := &mail.Envelope{Hold: "virus", Recipients: []mail.Recipient{{To: path(t, "b@dead.test")}}}
		l.queueUp(env)
		l.send("", "c@dead.test")
		l.start()
		time.Sleep(10 * 24 * time.Hour)
		if left := l.store.left(); len(left) != 1 || !left[0].Held || left[0].Attempts != 0 {
			t.Errorf("left %+v", left)
		}
		if err := l.end(); err != nil {
			t.Error(err)
		}
	})
}

func TestExpiryNeedsAnAttempt(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		attempts := 0
		l := newLab(t, func(_ context.Context, env *mail.Envelope) mail.Outcome { attempts++; return mail.All(1, busy) })
		l.send("", "b@there.test")
		time.Sleep(30 * 24 * time.Hour) // the service was down, or the clock jumped
		if left := l.store.left(); len(left) != 1 {
			t.Fatalf("left %+v", left)
		}
		l.start()
		synctest.Wait()
		if left := l.store.left(); attempts != 1 || len(left) != 0 {
			t.Errorf("%d attempts, left %+v", attempts, left)
		}
		if err := l.end(); err != nil {
			t.Error(err)
		}
	})
}

func TestClockJumpExpiresNothingUntried(t *testing.T) {
	t.Parallel()
	l := newLab(t, always(down))
	env := l.send("", "b@dead.test")
	row := l.store.left()[0]
	now := env.Arrived
	l.Now = func() time.Time { return now }
	l.hops = newHops(l.Config.Retry, l.Now)
	now = now.Add(time.Hour)
	l.hops.failed("dead.test", now.Add(-time.Second), down)
	now = now.Add(30 * 24 * time.Hour)
	if v := l.judgeUntried(env, row); v.fate != deferred {
		t.Errorf("%v without an attempt after the jump", v.fate)
	}
	l.hops.failed("dead.test", now, down)
	if v := l.judgeUntried(env, row); v.fate != expired {
		t.Errorf("%v after an attempt", v.fate)
	}
}

func TestSuspendedClaimsDoNotComeBackAtOnce(t *testing.T) {
	t.Parallel()
	l := newLab(t, always(down))
	env := l.send("", "b@dead.test")
	row := l.store.left()[0]
	now := env.Arrived.Add(6 * time.Hour)
	l.Now = func() time.Time { return now }
	for range 3 {
		v := l.judgeUntried(env, row)
		if v.row.Due.Equal(row.Due) {
			t.Errorf("due at %v again", row.Due)
		}
		row = v.row
		row.Due = l.Config.Retry.judgedAt(env.Arrived, row.Delayed)
	}
}

// A reload holds for what is judged after it: dead hosts, and the age of mail.
func TestReload(t *testing.T) {
	t.Parallel()
	l := newLab(t, always(down))
	cfg := l.Config
	cfg.Retry.Minimum, cfg.Retry.Maximum, cfg.Retry.Lifetime = config.Duration(time.Minute), config.Duration(time.Minute), config.Duration(time.Hour)
	began := time.Now()
	l.Reload(cfg, "mx.ours.test")
	if until := l.hops.failed("dead.test", began, down); until.Sub(began) > 2*time.Minute {
		t.Errorf("left alone for %v", until.Sub(began))
	}
	env := l.send("", "b@dead.test")
	env.Arrived = began.Add(-2 * time.Hour)
	if v := l.judgeUntried(env, l.store.left()[0]); v.fate != expired {
		t.Errorf("%v beyond the new lifetime", v.fate)
	}
}
