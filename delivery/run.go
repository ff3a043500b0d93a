// SPDX-License-Identifier: MIT

package delivery

import (
	"context"
	"errors"
	"sync"
	"time"

	"posthouse/mail"
	"posthouse/queue"
)

// claimPause keeps a store that cannot be read from filling the log.
const claimPause = time.Second

// Run delivers until stop ends, which ends claiming at once; attempts under way go on until hard ends, and settling is
// never cut short. An error means that the store can no longer be trusted: the process has to end and be started again.
func (m *Manager) Run(stop, hard context.Context) error {
	ctx, cancel := context.WithCancelCause(stop)
	defer cancel(nil)
	var wg sync.WaitGroup
	for ctx.Err() == nil {
		c, err := m.Queue.Claim(ctx)
		if errors.Is(err, queue.ErrClosed) {
			break
		}
		if err != nil {
			m.claimFailed(ctx, err)
			continue
		}
		wg.Go(func() { // as many as the queue gives claims at once
			if err := m.deliver(hard, c); err != nil {
				m.Log.Error("the queue cannot be written, nothing more is delivered", "error", err)
				cancel(err)
			}
		})
	}
	wg.Wait()
	if stop.Err() == nil {
		return context.Cause(ctx)
	}
	return nil
}

// claimFailed waits a little: the queue passes over the destination that it could not read.
func (m *Manager) claimFailed(ctx context.Context, err error) {
	if ctx.Err() != nil {
		return
	}
	m.Log.Error("queue cannot be read", "error", err)
	t := time.NewTimer(claimPause)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

// deliver sees one claim through. Only a store that fails is an error.
func (m *Manager) deliver(hard context.Context, c *queue.Claim) error {
	m.metrics.active.Inc()
	defer m.metrics.active.Dec()
	env, msg, err := m.Queue.Load(context.WithoutCancel(hard), c.ID)
	if err != nil {
		return m.unreadable(hard, c, err)
	}
	verdicts, dead := m.verdicts(hard, env, msg, c)
	return m.settle(hard, c, env, msg, verdicts, dead)
}

// verdicts tries the claim, unless it came for another reason, and judges each row. dead is until when its destination is to
// be left alone.
func (m *Manager) verdicts(ctx context.Context, env *mail.Envelope, msg *mail.Message, c *queue.Claim) (out []verdict, dead time.Time) {
	out = make([]verdict, len(c.Rows))
	if c.Return || c.Suspended {
		for i, row := range c.Rows {
			if c.Return {
				out[i] = judgeReturned(row)
			} else {
				out[i] = m.judgeUntried(env, row)
			}
		}
		return out, m.hops.deadUntil(c.Destination)
	}
	began := m.Now()
	results := m.attempt(ctx, env, msg, c)
	for i, row := range c.Rows {
		out[i] = m.judge(env, row, results[i], ctx.Err() != nil)
	}
	return out, m.judgeHop(c.Destination, began, results)
}
