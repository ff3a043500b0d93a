// SPDX-License-Identifier: MIT

package pebbledb

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"time"

	"posthouse/mail"
	"posthouse/queue"

	"github.com/cockroachdb/pebble/v2"
)

// Load reads envelope and message. A large body is read only when it is opened.
func (s *Store) Load(ctx context.Context, id mail.ID) (*mail.Envelope, *mail.Message, error) {
	env, err := s.Envelope(ctx, id)
	if err != nil {
		return nil, nil, err
	}
	value, closer, err := s.get(messageKey(id), id)
	if err != nil {
		return nil, nil, err
	}
	defer closer.Close()
	parts, err := parseMessage(id, value)
	if err != nil {
		return nil, nil, err
	}
	header, err := mail.ParseHeader(parts.header)
	if err != nil {
		return nil, nil, fmt.Errorf("message %s: %w: %w", id, errDamaged, err)
	}
	return env, &mail.Message{Header: header, Body: s.body(&parts)}, nil
}

func (s *Store) body(m *stored) mail.Body {
	if m.file == "" {
		return m.body
	}
	return fileBody{s.o.FS, s.bodyPath(m.file), m.size}
}

// Envelope reads the envelope alone, for lists.
func (s *Store) Envelope(ctx context.Context, id mail.ID) (*mail.Envelope, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	value, closer, err := s.get(envelopeKey(id), id)
	if err != nil {
		return nil, err
	}
	defer closer.Close()
	return parseEnvelope(id, value)
}

type closer interface{ Close() error }

func (s *Store) get(key []byte, id mail.ID) ([]byte, closer, error) {
	value, c, err := s.db.Get(key)
	if errors.Is(err, pebble.ErrNotFound) {
		return nil, nil, fmt.Errorf("message %s: %w", id, queue.ErrNotFound)
	}
	if pebble.IsCorruptionError(err) {
		err = fmt.Errorf("%w: %w", errDamaged, err)
	}
	if err != nil {
		return nil, nil, fmt.Errorf("message %s: %w", id, err)
	}
	return value, c, nil
}

// Due reads the index of one destination from its oldest entry.
func (s *Store) Due(ctx context.Context, destination string, by time.Time, n int) ([]queue.Row, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	end := appendIndexKey(nil, destination, by, "", 0)
	end = append(end[:len(destination)+2+8], 0xff) // every id of that moment
	it, err := s.db.NewIter(&pebble.IterOptions{LowerBound: destinationStart(destination), UpperBound: end})
	if err != nil {
		return nil, err
	}
	var rows []queue.Row
	for ok := it.First(); ok && len(rows) < n && err == nil; ok = it.Next() {
		rows, err = s.appendDue(rows, it.Key())
	}
	return rows, errors.Join(err, it.Close())
}

// appendDue reads the row of an index key. One that was settled since the iterator was made is left out.
func (s *Store) appendDue(rows []queue.Row, key []byte) ([]queue.Row, error) {
	e, err := parseIndexKey(key)
	if err != nil {
		return rows, err
	}
	value, c, err := s.db.Get(appendRowKey(nil, e.id, e.n))
	if errors.Is(err, pebble.ErrNotFound) {
		return rows, nil
	}
	if err != nil {
		return rows, err
	}
	defer c.Close()
	row, err := parseRow(e.id, e.n, value)
	if err != nil || row.Held || row.Destination != e.destination || dueBits(row.Due) != dueBits(e.due) {
		return rows, err
	}
	return append(rows, row), nil
}

// Destinations jumps from one destination to the next: the length of their queues costs nothing.
func (s *Store) Destinations(ctx context.Context) iter.Seq2[queue.Destination, error] {
	return func(yield func(queue.Destination, error) bool) {
		it, err := s.db.NewIter(&pebble.IterOptions{LowerBound: []byte{prefixIndex}, UpperBound: []byte{prefixIndex + 1}})
		if err != nil {
			yield(queue.Destination{}, err)
			return
		}
		defer it.Close()
		for ok := it.First(); ok; {
			e, err := parseIndexKey(it.Key())
			if err = errors.Join(err, ctx.Err()); err != nil {
				yield(queue.Destination{}, err)
				return
			}
			if !yield(queue.Destination{Name: e.destination, Due: e.due}, nil) {
				return
			}
			ok = it.SeekGE(destinationEnd(e.destination))
		}
		if err := it.Error(); err != nil {
			yield(queue.Destination{}, err)
		}
	}
}

// Rows goes on after a record that is damaged: one bad row must not hide the others from list and export.
func (s *Store) Rows(ctx context.Context, from mail.ID) iter.Seq2[queue.Row, error] {
	return func(yield func(queue.Row, error) bool) {
		start := append([]byte{prefixRow}, from...)
		it, err := s.db.NewIter(&pebble.IterOptions{LowerBound: start, UpperBound: []byte{prefixRow + 1}})
		if err != nil {
			yield(queue.Row{}, err)
			return
		}
		defer it.Close()
		for ok := it.First(); ok; ok = it.Next() {
			if err := ctx.Err(); err != nil {
				yield(queue.Row{}, err)
				return
			}
			if !yield(rowOf(it)) {
				return
			}
		}
		if err := it.Error(); err != nil {
			yield(queue.Row{}, err)
		}
	}
}

func rowOf(it *pebble.Iterator) (queue.Row, error) {
	id, n, err := parseRowKey(it.Key())
	if err != nil {
		return queue.Row{}, err
	}
	row, err := parseRow(id, n, it.Value())
	row.ID, row.N = id, n
	return row, err
}
