// SPDX-License-Identifier: MIT

package pebbledb

import (
	"context"
	"errors"
	"fmt"

	"posthouse/queue"

	"github.com/cockroachdb/pebble/v2"
)

var (
	errLazyAdd  = errors.New("a change that adds a message cannot be lazy")
	errReadOnly = errors.New("queue store is open for reading only")
)

// Apply writes c as one batch. See queue.Store; once it has begun it does not heed ctx: a commit runs to its end.
func (s *Store) Apply(ctx context.Context, c queue.Change) error {
	if err := s.ready(ctx, &c); err != nil {
		return err
	}
	ch := change{s: s, batch: s.db.NewBatch()}
	defer ch.unlock() // also of a panic, or nobody could settle any more
	err := ch.build(&c)
	if err == nil {
		ch.remember(c.Add)
		err = ch.commit(c.Lazy)
	}
	if err != nil {
		ch.undo()
		return err
	}
	return ch.batch.Close()
}

// remember is for the settlements to come. It goes before the commit makes the rows visible to whoever may change them; a
// commit that fails is the store's end, so nothing need be taken back.
func (ch *change) remember(added []queue.Entry) {
	for i := range added {
		if k, ok := knownOf(&added[i], ch.names[i]); ok {
			ch.s.recent.add(added[i].Envelope.ID, k)
		}
	}
}

func (s *Store) ready(ctx context.Context, c *queue.Change) error {
	if err := s.failed.err(); err != nil {
		return err
	}
	if s.o.ReadOnly {
		return errReadOnly
	}
	if c.Lazy && len(c.Add) > 0 {
		return errLazyAdd
	}
	return ctx.Err()
}

// change is one Apply under way.
type change struct {
	s      *Store
	batch  *pebble.Batch
	key    []byte   // scratch
	value  []byte   // scratch
	files  []string // bodies that become names in this batch
	names  []string // of each entry's body file, "" if it has none
	unlink []string // bodies that this batch forgets
	locked bool     // settling
}

// build fills the batch. Bodies come first, since their fsync must not hold up others' settling.
func (ch *change) build(c *queue.Change) error {
	for i := range c.Add {
		if err := ch.add(&c.Add[i]); err != nil {
			return err
		}
	}
	if len(ch.files) > 0 {
		if err := ch.s.bodies.Sync(); err != nil {
			return ch.s.failed.set(fmt.Errorf("sync directory of bodies: %w", err))
		}
	}
	if len(c.Put)+len(c.Done) == 0 {
		return nil
	}
	ch.s.settling.Lock()
	ch.locked = true
	return ch.settle(c.Put, c.Done)
}

// commit applies the batch. It is visible, and settling free for others, before it is synced.
func (ch *change) commit(lazy bool) (err error) {
	defer ch.unlock()
	defer ch.s.failed.catch(&err)
	if ch.batch.Empty() {
		return ch.s.failed.err()
	}
	if lazy {
		if err := ch.s.db.Apply(ch.batch, pebble.NoSync); err != nil {
			return ch.s.failed.set(err)
		}
		ch.unlock()
		ch.s.late.add(ch.unlink)
		return ch.s.failed.err()
	}
	if err := ch.s.db.ApplyNoSyncWait(ch.batch, pebble.Sync); err != nil {
		return ch.s.failed.set(err)
	}
	ch.unlock()
	if err := ch.batch.SyncWait(); err != nil {
		return ch.s.failed.set(err)
	}
	if len(ch.unlink) > 0 {
		ch.s.late.add(ch.unlink)
	}
	return ch.s.failed.err()
}

func (ch *change) unlock() {
	if ch.locked {
		ch.locked = false
		ch.s.settling.Unlock()
	}
}

// undo leaves the adopted files to the next sweep if the batch may have reached the log, which only a failure can mean.
func (ch *change) undo() {
	ch.unlock()
	if ch.s.failed.err() != nil {
		return
	}
	for _, name := range ch.files {
		_ = ch.s.o.FS.Remove(ch.s.bodyPath(name))
	}
	_ = ch.batch.Close()
}
