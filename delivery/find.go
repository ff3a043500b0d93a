// SPDX-License-Identifier: MIT

package delivery

import (
	"context"
	"fmt"

	"posthouse/mail"
	"posthouse/queue"
)

// found is one message with those of its rows that match.
type found struct {
	id   mail.ID
	env  *mail.Envelope // nil: cannot be read, for the reason in err
	msg  *mail.Message
	err  error
	rows []queue.Row
}

// find gives each message that matches to do, a batch at a time, so that do may change the queue.
func (m *Manager) find(ctx context.Context, f Filter, do func(found) error) error {
	if len(f.IDs) > 0 {
		return m.findNamed(ctx, f, do)
	}
	from := mail.ID("")
	for {
		batch, next, err := m.batch(ctx, from)
		if err != nil {
			return err
		}
		for _, rows := range batch {
			if err := m.offer(ctx, f, rows, do); err != nil {
				return err
			}
		}
		if next == "" {
			return nil
		}
		from = next
	}
}

func (m *Manager) findNamed(ctx context.Context, f Filter, do func(found) error) error {
	for _, id := range f.IDs {
		rows, err := m.rowsOf(ctx, id)
		if err != nil {
			return err
		}
		if len(rows) == 0 {
			return fmt.Errorf("no message %s in the queue", id)
		}
		if err := m.offer(ctx, f, rows, do); err != nil {
			return err
		}
	}
	return nil
}

// offer calls do with the rows that match, if any.
func (m *Manager) offer(ctx context.Context, f Filter, rows []queue.Row, do func(found) error) error {
	x := found{id: rows[0].ID}
	x.env, x.msg, x.err = m.Queue.Load(ctx, x.id)
	if x.err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		x.env, x.msg = nil, nil
	}
	for _, row := range rows {
		if f.matches(x.env, row) {
			x.rows = append(x.rows, row)
		}
	}
	if len(x.rows) == 0 {
		return nil
	}
	return do(x)
}

// findBatch bounds the memory of a walk through the queue, in messages.
const findBatch = 200

// batch is the rows of the next messages from an id on, by message. next is where to go on, "" at the end.
func (m *Manager) batch(ctx context.Context, from mail.ID) (out [][]queue.Row, next mail.ID, err error) {
	for row, err := range m.Queue.Rows(ctx, from) {
		if err != nil {
			return nil, "", err
		}
		if n := len(out); n > 0 && out[n-1][0].ID == row.ID {
			out[n-1] = append(out[n-1], row)
			continue
		}
		if len(out) == findBatch {
			return out, row.ID, nil
		}
		out = append(out, []queue.Row{row})
	}
	return out, "", nil
}

func (m *Manager) rowsOf(ctx context.Context, id mail.ID) (rows []queue.Row, err error) {
	for row, err := range m.Queue.Rows(ctx, id) {
		if err != nil {
			return nil, err
		}
		if row.ID != id {
			break
		}
		rows = append(rows, row)
	}
	return rows, nil
}
