// SPDX-License-Identifier: MIT

package delivery

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"posthouse/mail"
	"posthouse/queue"
)

// A dead destination is asked with one message at a time while its others wait unwritten, perhaps 100,000 of them. Their
// age is judged all the same, by the attempts that others made: the sweep looks for those whose delay warning or bounce
// has come due by such an attempt. Ids are in the order of arrival, so it reads no further than the youngest that can be
// concerned, and it writes only what changes: a message twice in its life, however often its destination was tried.

// sweepPause keeps a queue with many dead destinations from being read for each of them.
const sweepPause = time.Minute

// sweepBatch bounds the memory of a sweep.
const sweepBatch = 500

// target is a message's rows in one destination.
type target struct {
	id          mail.ID
	destination string
}

// wakeSweep asks for a sweep soon.
func (m *Manager) wakeSweep() {
	select {
	case m.overdue <- struct{}{}:
	default:
	}
}

// sweeps runs a sweep each time it was asked for, until ctx ends.
func (m *Manager) sweeps(ctx context.Context) error {
	for {
		select {
		case <-m.overdue:
		case <-ctx.Done():
			return nil
		}
		if err := m.sweep(ctx); err != nil && ctx.Err() == nil {
			return fmt.Errorf("sweep: %w", err)
		}
		pause := time.NewTimer(sweepPause)
		select {
		case <-pause.C:
		case <-ctx.Done():
			pause.Stop()
			return nil
		}
	}
}

func (m *Manager) sweep(ctx context.Context) error {
	from := mail.ID("")
	for {
		found, last, err := m.findOverdue(ctx, from)
		if err != nil {
			return err
		}
		for _, t := range found {
			if err := m.judgeUnseen(ctx, t); err != nil {
				return err
			}
		}
		if last == "" {
			return nil
		}
		from = last
	}
}

// findOverdue lists rows that have to be judged, from an id on. last is where to go on, "" at the end.
func (m *Manager) findOverdue(ctx context.Context, from mail.ID) (found []target, last mail.ID, err error) {
	seen := map[target]bool{}
	for row, err := range m.Queue.Rows(ctx, from) {
		if err != nil {
			return nil, "", err
		}
		if m.tooYoung(row.ID) {
			return found, "", nil
		}
		t := target{row.ID, row.Destination}
		if len(found) >= sweepBatch && row.ID != found[len(found)-1].id {
			return found, row.ID, nil
		}
		if !seen[t] && m.isOverdue(row) {
			seen[t] = true
			found = append(found, t)
		}
	}
	return found, "", nil
}

// tooYoung reports an id from which on nothing can be overdue.
func (m *Manager) tooYoung(id mail.ID) bool {
	now, retry := m.Now(), m.Config.Retry
	limit := retry.Lifetime
	if retry.DelayWarning > 0 {
		limit = min(limit, retry.DelayWarning)
	}
	return !madeBy(id, now.Add(-time.Duration(limit)))
}

// madeBy reports an id that was given at that time or before.
func madeBy(id mail.ID, t time.Time) bool { return id < mail.NewID(t.Add(time.Microsecond)) }

// isOverdue goes by the id's time, which for imported mail is later than its arrival: that is judged when it is tried.
func (m *Manager) isOverdue(row queue.Row) bool {
	d, dead := m.hops.get(row.Destination)
	if !dead || row.Held {
		return false
	}
	retry := m.Config.Retry
	if madeBy(row.ID, d.found.Add(-time.Duration(retry.Lifetime))) {
		return true
	}
	return retry.DelayWarning > 0 && !row.Delayed && madeBy(row.ID, d.found.Add(-time.Duration(retry.DelayWarning)))
}

// judgeUnseen judges one message by an attempt that others made.
func (m *Manager) judgeUnseen(ctx context.Context, t target) error {
	c, err := m.Queue.Take(ctx, t.id, t.destination)
	if errors.Is(err, fs.ErrNotExist) {
		return nil // done meanwhile
	}
	if err != nil {
		return err
	}
	d, dead := m.hops.get(t.destination)
	if !dead {
		m.Queue.Abandon(c)
		return nil
	}
	env, msg, err := m.Queue.Load(ctx, c.ID)
	if err != nil {
		m.Queue.Abandon(c)
		m.Log.Error("message cannot be read", "id", c.ID, "error", err)
		return ctx.Err()
	}
	verdicts := make([]verdict, len(c.Rows))
	for i, row := range c.Rows {
		verdicts[i] = m.judgeByHop(env, row, d)
	}
	return m.settle(ctx, c, env, msg, verdicts, d.until)
}

// judgeByHop leaves a row untouched unless it is too old or its warning is due.
func (m *Manager) judgeByHop(env *mail.Envelope, row queue.Row, d hop) verdict {
	v := verdict{row: row, result: d.last}
	if row.Held {
		return v
	}
	v.row.Last = d.last
	m.age(env, &v, d.found)
	if v.fate == deferred && !v.warn {
		return verdict{row: row, result: d.last}
	}
	return v
}
