// SPDX-License-Identifier: MIT

package delivery

import (
	"context"
	"errors"
	"io/fs"
	"iter"

	"posthouse/mail"
	"posthouse/queue"
)

// Stopped lets the `queue` commands work on a store whose service does not run. The store's own lock keeps the service out
// meanwhile.
func Stopped(store queue.Store) Queue { return stopped{store} }

type stopped struct{ store queue.Store }

// errStopped is the answer to whoever would deliver from it.
var errStopped = errors.New("the service is stopped, nothing is delivered")

func (s stopped) Claim(context.Context) (*queue.Claim, error) { return nil, errStopped }

// Take needs no waiting: nobody else is there.
func (s stopped) Take(ctx context.Context, id mail.ID, destination string) (*queue.Claim, error) {
	c := &queue.Claim{ID: id, Destination: destination}
	for row, err := range s.store.Rows(ctx, id) {
		if err != nil {
			return nil, err
		}
		if row.ID != id {
			break
		}
		if row.Destination == destination {
			c.Rows = append(c.Rows, row)
		}
	}
	if len(c.Rows) == 0 {
		return nil, fs.ErrNotExist
	}
	return c, nil
}

func (s stopped) Load(ctx context.Context, id mail.ID) (*mail.Envelope, *mail.Message, error) {
	return s.store.Load(ctx, id)
}

func (s stopped) Rows(ctx context.Context, from mail.ID) iter.Seq2[queue.Row, error] {
	return s.store.Rows(ctx, from)
}

func (s stopped) Settle(ctx context.Context, _ *queue.Claim, x queue.Settlement) error {
	return s.store.Apply(ctx, queue.Change{Add: x.Add, Put: x.Put, Done: x.Done})
}

func (s stopped) Abandon(*queue.Claim) {}

func (s stopped) Add(ctx context.Context, e queue.Entry) error {
	return s.store.Apply(ctx, queue.Change{Add: []queue.Entry{e}})
}
