// SPDX-License-Identifier: MIT

package pebbledb

import (
	"context"
	"errors"
	"fmt"
	"io"

	"posthouse/mail"
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

// add writes one message: envelope, header with body, rows.
func (ch *change) add(e *queue.Entry) error {
	id := e.Envelope.ID
	if err := checkID(id); err != nil {
		return err
	}
	if len(e.Rows) == 0 {
		return fmt.Errorf("message %s has no recipient", id)
	}
	ch.value = appendEnvelope(ch.value[:0], e.Envelope)
	if err := ch.batch.Set(envelopeKey(id), ch.value, nil); err != nil {
		return err
	}
	ch.names = append(ch.names, "")
	if err := ch.addMessage(id, e.Message); err != nil {
		return fmt.Errorf("body of %s: %w", id, err)
	}
	for i := range e.Rows {
		row := &e.Rows[i]
		if row.ID != id {
			return fmt.Errorf("a row of %s came with message %s", row.ID, id)
		}
		if err := checkRow(row); err != nil {
			return err
		}
		ch.putRow(row)
	}
	return nil
}

// addMessage adopts the store's own draft and copies any other body.
func (ch *change) addMessage(id mail.ID, m *mail.Message) error {
	d, ok := m.Body.(*draft)
	if ok && d.s == ch.s {
		if ok, err := d.adopt(); err != nil || ok {
			return errors.Join(err, ch.setDraft(id, m.Header.String(), d))
		}
	}
	if m.Body.Size() > int64(ch.s.o.Threshold) {
		return ch.copyToFile(id, m)
	}
	return ch.setInline(id, m.Header.String(), m.Body)
}

func (ch *change) setDraft(id mail.ID, header string, d *draft) error {
	if d.file != nil {
		return ch.setFile(id, header, d)
	}
	ch.set(id, header, "", d.size, d.buf)
	return nil
}

// setFile names the file in two records: the message's, and the sweep's.
func (ch *change) setFile(id mail.ID, header string, d *draft) error {
	ch.files = append(ch.files, d.name)
	ch.names[len(ch.names)-1] = d.name
	ch.set(id, header, d.name, d.size, nil)
	return ch.batch.Set(fileKey(d.name), []byte(id), nil)
}

// set puts the parts of a message record straight into the batch: one copy of header and body.
func (ch *change) set(id mail.ID, header, file string, size int64, body []byte) {
	ch.value = messageHead(ch.value[:0], len(header), file, size)
	op := ch.batch.SetDeferred(1+len(id), len(ch.value)+len(header)+len(body))
	op.Key[0] = prefixMessage
	copy(op.Key[1:], id)
	n := copy(op.Value, ch.value)
	n += copy(op.Value[n:], header)
	copy(op.Value[n:], body)
	_ = op.Finish() // nil but for an indexed batch
}

// setInline copies a body that says it is small, and holds it to its word.
func (ch *change) setInline(id mail.ID, header string, b mail.Body) error {
	r, err := b.Open()
	if err != nil {
		return err
	}
	defer r.Close()
	text := make([]byte, b.Size())
	if _, err := io.ReadFull(r, text); err != nil {
		return err
	}
	ch.set(id, header, "", int64(len(text)), text)
	return nil
}

// copyToFile writes a foreign body as a draft of our own and adopts that.
func (ch *change) copyToFile(id mail.ID, m *mail.Message) error {
	r, err := m.Body.Open()
	if err != nil {
		return err
	}
	defer r.Close()
	made, err := ch.s.Create()
	if err != nil {
		return err
	}
	d := made.(*draft)
	defer d.Discard()
	n, err := io.Copy(d, io.LimitReader(r, m.Body.Size()))
	if err == nil && n != m.Body.Size() {
		err = io.ErrUnexpectedEOF
	}
	if err != nil {
		return err
	}
	if _, err := d.adopt(); err != nil {
		return err
	}
	return ch.setDraft(id, m.Header.String(), d)
}
