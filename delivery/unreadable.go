// SPDX-License-Identifier: MIT

package delivery

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"posthouse/mail"
	"posthouse/queue"
	"posthouse/reply"
)

// unreadable settles the claim of a message that the store cannot give, and deletes nothing. If its envelope is left, it is as
// after an attempt that failed: in the end its sender is told. Without, nobody knows whom to tell, and an operator has to.
func (m *Manager) unreadable(ctx context.Context, c *queue.Claim, cause error) error {
	env, msg, err := m.remains(ctx, c.ID)
	if err != nil {
		return m.shelve(ctx, c, err)
	}
	m.Log.Error("message cannot be read, it is tried again", "id", c.ID, "destination", c.Destination, "error", cause)
	verdicts := make([]verdict, len(c.Rows))
	for i, row := range c.Rows {
		if c.Return {
			verdicts[i] = judgeReturned(row)
		} else {
			verdicts[i] = m.judge(env, row, notSent(cause), false)
		}
	}
	return m.settle(ctx, c, env, msg, verdicts, m.hops.deadUntil(c.Destination))
}

// remains is the envelope of a message whose text is lost, with nothing to return in a report.
func (m *Manager) remains(ctx context.Context, id mail.ID) (*mail.Envelope, *mail.Message, error) {
	env, err := m.Queue.Envelope(context.WithoutCancel(ctx), id)
	if err != nil {
		return nil, nil, err
	}
	part := *env
	part.Ret = "HDRS"
	return &part, &mail.Message{Body: mail.Bytes(nil)}, nil
}

func notSent(cause error) mail.Result {
	return mail.Result{Status: mail.Deferred, Reply: reply.LocalError.Because(cause)}
}

// shelve holds a message without an envelope: the row says why, and `queue list` shows it. A store that cannot be read just
// now costs a wait instead.
func (m *Manager) shelve(ctx context.Context, c *queue.Claim, cause error) error {
	lost := errors.Is(cause, queue.ErrDamaged) || errors.Is(cause, queue.ErrNotFound)
	what := "envelope cannot be read, the mail stays in the queue"
	if lost {
		what = "envelope is lost, the mail is held: nobody knows whom to tell"
	}
	m.Log.Error(what, "id", c.ID, "destination", c.Destination, "recipients", len(c.Rows), "error", cause)
	s := queue.Settlement{Put: slices.Clone(c.Rows), Dead: m.hops.deadUntil(c.Destination)}
	for i := range s.Put {
		row := &s.Put[i]
		row.Attempts++
		row.Held = lost
		row.Due = m.Now().Add(time.Duration(m.config().Retry.Maximum))
		row.Last = notSent(cause)
	}
	if err := m.Queue.Settle(context.WithoutCancel(ctx), c, s); err != nil {
		return fmt.Errorf("settling %s: %w", c.ID, err)
	}
	return nil
}
