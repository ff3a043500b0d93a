// SPDX-License-Identifier: MIT

package delivery

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"posthouse/queue"
)

// Run delivers until stop ends, which ends claiming at once; attempts under way go on until hard ends, and settling is
// never cut short. An error means that the store can no longer be trusted: the process has to end and be started again.
func (m *Manager) Run(stop, hard context.Context) error {
	ctx, cancel := context.WithCancelCause(stop)
	defer cancel(nil)
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := m.sweeps(ctx); err != nil {
			cancel(err)
		}
	})
	for {
		c, err := m.Queue.Claim(ctx)
		if err != nil {
			if ctx.Err() == nil {
				cancel(fmt.Errorf("claim: %w", err))
			}
			break
		}
		wg.Go(func() { // as many as the queue gives claims at once
			if err := m.deliver(hard, c); err != nil {
				cancel(err)
			}
		})
	}
	wg.Wait()
	return fault(ctx)
}

// fault is what a worker ended ctx with; nil if it was ended from outside.
func fault(ctx context.Context) error {
	if err := context.Cause(ctx); err != nil && !errors.Is(err, context.Canceled) && !errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return nil
}

// deliver sees one claim through. Only a store that fails is an error.
func (m *Manager) deliver(hard context.Context, c *queue.Claim) error {
	m.metrics.active.Inc()
	defer m.metrics.active.Dec()
	env, msg, err := m.Queue.Load(hard, c.ID)
	if err != nil {
		if hard.Err() != nil {
			m.Queue.Abandon(c)
			return nil
		}
		return m.unreadable(hard, c, err)
	}
	began := m.Now()
	results := m.attempt(hard, env, msg, c)
	verdicts := make([]verdict, len(c.Rows))
	for i, row := range c.Rows {
		verdicts[i] = m.judge(env, row, results[i], hard.Err() != nil)
	}
	dead := m.judgeHop(c.Destination, began, results)
	return m.settle(hard, c, env, msg, verdicts, dead)
}
