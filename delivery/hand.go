// SPDX-License-Identifier: MIT

package delivery

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"time"

	"posthouse/mail"
	"posthouse/queue"
	"posthouse/reply"
)

// What an operator does by hand goes the way of every attempt: rows are taken as a claim, and settled. So a recipient that
// is just being attempted is changed after the attempt, if it is still there.

// retry makes rows due and forgets that their destination is dead. Held mail stays held under a filter that only happens to
// match it: what was set aside on purpose goes out on purpose.
func (m *Manager) retry(ctx context.Context, f Filter, say replier) error {
	return m.byHand(ctx, f, say, func(row *queue.Row) bool {
		if row.Held && len(f.IDs) == 0 && f.State != Held {
			return false
		}
		m.hops.well(row.Destination)
		row.Held, row.Due = false, m.Now()
		return true
	})
}

func (m *Manager) hold(ctx context.Context, f Filter, say replier) error {
	return m.byHand(ctx, f, say, func(row *queue.Row) bool {
		was := row.Held
		row.Held = true
		return !was
	})
}

func (m *Manager) release(ctx context.Context, f Filter, say replier) error {
	return m.byHand(ctx, f, say, func(row *queue.Row) bool {
		was := row.Held
		row.Held, row.Due = false, m.Now()
		return was
	})
}

// byHand applies change, which reports whether it did anything, to each row that matches, and says what came of it.
func (m *Manager) byHand(ctx context.Context, f Filter, say replier, change func(*queue.Row) bool) error {
	return m.find(ctx, f, func(x found) error {
		return m.takeEach(ctx, f, x, func(c *queue.Claim, chosen func(queue.Row) bool) error {
			s := queue.Settlement{Put: slices.Clone(c.Rows)}
			var changed []queue.Row
			for i := range s.Put {
				if chosen(s.Put[i]) && change(&s.Put[i]) {
					changed = append(changed, s.Put[i])
				}
			}
			if len(changed) == 0 {
				m.Queue.Abandon(c)
				return nil
			}
			s.Dead = m.deadUntil(c.Destination)
			return m.settleByHand(ctx, c, s, x, changed, say)
		})
	})
}

// remove deletes; nobody is told.
func (m *Manager) remove(ctx context.Context, f Filter, say replier) error {
	return m.find(ctx, f, func(x found) error {
		return m.takeEach(ctx, f, x, func(c *queue.Claim, chosen func(queue.Row) bool) error {
			s := queue.Settlement{Dead: m.deadUntil(c.Destination)}
			for _, row := range c.Rows {
				if chosen(row) {
					s.Done = append(s.Done, row)
				} else {
					s.Put = append(s.Put, row)
				}
			}
			return m.settleByHand(ctx, c, s, x, s.Done, say)
		})
	})
}

func (m *Manager) settleByHand(ctx context.Context, c *queue.Claim, s queue.Settlement, x found, changed []queue.Row, say replier) error {
	if err := m.Queue.Settle(context.WithoutCancel(ctx), c, s); err != nil {
		return fmt.Errorf("settling %s: %w", c.ID, err)
	}
	x.rows = changed
	m.Log.Info("changed by hand", "id", x.id, "destination", c.Destination, "recipients", len(changed), "deleted", len(s.Done))
	return replyItems(x, say)
}

// bounce gives recipients up and tells the sender, as if the next hop had refused them.
func (m *Manager) bounce(ctx context.Context, f Filter, say replier) error {
	return m.find(ctx, f, func(x found) error {
		if x.env == nil {
			return fmt.Errorf("%s cannot be read, so its sender is not known: %w", x.id, x.err)
		}
		return m.takeEach(ctx, f, x, func(c *queue.Claim, chosen func(queue.Row) bool) error {
			verdicts := make([]verdict, len(c.Rows))
			for i, row := range c.Rows {
				verdicts[i] = verdict{row: row, result: row.Last}
				if chosen(row) {
					verdicts[i].fate = failed
					verdicts[i].result = mail.Result{Status: mail.Failed, Reply: reply.BouncedByHand}
				}
			}
			if err := m.settle(ctx, c, x.env, x.msg, verdicts, m.deadUntil(c.Destination)); err != nil {
				return err
			}
			x.rows = slices.DeleteFunc(slices.Clone(c.Rows), func(r queue.Row) bool { return !chosen(r) })
			return replyItems(x, say)
		})
	})
}

// takeEach claims the destinations of x one after the other. chosen tells do which rows of the claim are meant, by what
// they are now: the attempt that was waited for may have changed them.
func (m *Manager) takeEach(ctx context.Context, f Filter, x found, do func(c *queue.Claim, chosen func(queue.Row) bool) error) error {
	for _, destination := range destinations(x.rows) {
		c, err := m.Queue.Take(ctx, x.id, destination)
		if errors.Is(err, fs.ErrNotExist) {
			continue // delivered meanwhile
		}
		if err != nil {
			return err
		}
		chosen := func(row queue.Row) bool { return f.matches(x.env, row) }
		if !slices.ContainsFunc(c.Rows, chosen) {
			m.Queue.Abandon(c)
			continue
		}
		if err := do(c, chosen); err != nil {
			return err
		}
	}
	return nil
}

func destinations(rows []queue.Row) (out []string) {
	for _, row := range rows {
		if !slices.Contains(out, row.Destination) {
			out = append(out, row.Destination)
		}
	}
	return out
}

// deadUntil is what a settlement has to say of a destination it learned nothing about.
func (m *Manager) deadUntil(destination string) time.Time {
	if d, dead := m.hops.get(destination); dead && m.Now().Before(d.until) {
		return d.until
	}
	return time.Time{}
}
