// SPDX-License-Identifier: MIT

package pebbledb

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"posthouse/mail"
	"posthouse/queue"

	"github.com/cockroachdb/pebble/v2"
)

// settle writes rows anew and takes rows away. A row that is gone stays gone: an operator's wish may come too late. The
// caller holds settling.
func (ch *change) settle(put, done []queue.Row) error {
	for i := range put {
		if err := ch.replace(&put[i]); err != nil {
			return err
		}
	}
	for done = byMessage(done); len(done) > 0; {
		n := 1
		for n < len(done) && done[n].ID == done[0].ID {
			n++
		}
		if err := ch.finish(done[:n]); err != nil {
			return err
		}
		done = done[n:]
	}
	return nil
}

// byMessage puts the rows of one message together: which of them is the last must be asked once.
func byMessage(rows []queue.Row) []queue.Row {
	byID := func(a, b queue.Row) int { return strings.Compare(string(a.ID), string(b.ID)) }
	if slices.IsSortedFunc(rows, byID) {
		return rows
	}
	rows = slices.Clone(rows)
	slices.SortStableFunc(rows, byID)
	return rows
}

func (ch *change) replace(row *queue.Row) error {
	if err := checkRow(row); err != nil {
		return err
	}
	ch.s.recent.take(row.ID)
	found, err := ch.dropIndex(row.ID, row.N)
	if err != nil || !found {
		return err
	}
	ch.putRow(row)
	return nil
}

// putRow writes row and index.
func (ch *change) putRow(row *queue.Row) {
	ch.key = appendRowKey(ch.key[:0], row.ID, row.N)
	ch.value = appendRow(ch.value[:0], row)
	_ = ch.batch.Set(ch.key, ch.value, nil) // nil but for a batch that is applied
	if !row.Held {
		ch.key = appendIndexKey(ch.key[:0], row.Destination, row.Due, row.ID, row.N)
		_ = ch.batch.Set(ch.key, nil, nil)
	}
}

// dropIndex deletes the index key of the row as it is stored, which need not be the one that the caller knows.
func (ch *change) dropIndex(id mail.ID, n int) (found bool, err error) {
	ch.key = appendRowKey(ch.key[:0], id, n)
	value, closer, err := ch.s.db.Get(ch.key)
	if errors.Is(err, pebble.ErrNotFound) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	defer closer.Close()
	old, err := parseRow(id, n, value)
	if err != nil {
		return false, err
	}
	if !old.Held {
		ch.key = appendIndexKey(ch.key[:0], old.Destination, old.Due, id, n)
		_ = ch.batch.Delete(ch.key, nil)
	}
	return true, nil
}

// finish takes rows of one message away, and with the last of them the message.
func (ch *change) finish(rows []queue.Row) error {
	id := rows[0].ID
	if k, ok := ch.s.recent.take(id); ok && k.all(rows) {
		return ch.forgetKnown(id, &k)
	}
	gone := make(map[int]bool, len(rows))
	for i := range rows {
		n := rows[i].N
		found, err := ch.dropIndex(id, n)
		if err != nil {
			return err
		}
		if found {
			ch.key = appendRowKey(ch.key[:0], id, n)
			_ = ch.batch.Delete(ch.key, nil)
			gone[n] = true
		}
	}
	left, err := ch.othersLeft(id, gone)
	if err != nil || left || len(gone) == 0 {
		return err
	}
	return ch.forget(id)
}

// othersLeft looks for a row of the message that is not in gone.
func (ch *change) othersLeft(id mail.ID, gone map[int]bool) (bool, error) {
	it, err := ch.s.db.NewIter(&pebble.IterOptions{LowerBound: rowStart(id), UpperBound: rowEnd(id)})
	if err != nil {
		return false, err
	}
	for ok := it.First(); ok; ok = it.Next() {
		if _, n, err := parseRowKey(it.Key()); err != nil || !gone[n] {
			return true, errors.Join(err, it.Close())
		}
	}
	return false, it.Close()
}

// forgetKnown forgets a whole message without reading it.
func (ch *change) forgetKnown(id mail.ID, k *known) error {
	for i := range k.rows {
		r := &k.rows[i]
		ch.key = appendRowKey(ch.key[:0], id, r.n)
		_ = ch.batch.Delete(ch.key, nil)
		if !r.held {
			ch.key = appendIndexKey(ch.key[:0], r.destination, r.due, id, r.n)
			_ = ch.batch.Delete(ch.key, nil)
		}
	}
	return ch.deleteMessage(id, k.file)
}

// forget deletes the message, and looks for its body's file first.
func (ch *change) forget(id mail.ID) error {
	value, closer, err := ch.s.db.Get(messageKey(id))
	if err != nil {
		return fmt.Errorf("message %s: %w", id, err)
	}
	defer closer.Close()
	return ch.deleteMessage(id, bodyFileOf(value))
}

// deleteMessage keeps the name of the body's file for after the sync.
func (ch *change) deleteMessage(id mail.ID, file string) error {
	if file != "" {
		ch.unlink = append(ch.unlink, file)
		_ = ch.batch.Delete(fileKey(file), nil)
	}
	_ = ch.batch.Delete(envelopeKey(id), nil)
	return ch.batch.Delete(messageKey(id), nil)
}
