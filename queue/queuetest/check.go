// SPDX-License-Identifier: MIT

package queuetest

import (
	"fmt"
	"math"
	"time"

	"posthouse/mail"
	"posthouse/queue"
)

// check opens what a power loss has left and compares it with what was promised.
func (m *model) check(left Disk) error {
	s, err := left.Open()
	if err != nil {
		return fmt.Errorf("open after the power loss: %w", err)
	}
	found, err := m.read(s)
	if err == nil {
		err = m.compare(found)
	}
	if e := s.Close(); err == nil {
		err = e
	}
	return err
}

type rowKey struct {
	id mail.ID
	n  int
}

// read takes all rows, and looks at each message once and at the index.
func (m *model) read(s queue.Store) (map[rowKey]queue.Row, error) {
	found := map[rowKey]queue.Row{}
	due := map[string]int{}
	last := mail.ID("")
	for r, err := range s.Rows(m.ctx, "") {
		if err != nil {
			return nil, err
		}
		found[rowKey{r.ID, r.N}] = r
		due[r.Destination]++
		if r.ID == last {
			continue
		}
		last = r.ID
		msg := m.messages[r.ID]
		if msg == nil {
			return nil, fmt.Errorf("message %s was never sent", r.ID)
		}
		if err := whole(m.ctx, s, &msg.entry, msg.body); err != nil {
			return nil, err
		}
	}
	return found, m.index(s, due)
}

// index must have what rows have, no more and no less.
func (m *model) index(s queue.Store, due map[string]int) error {
	names := 0
	for d, err := range s.Destinations(m.ctx) {
		if err != nil {
			return err
		}
		names++
		rows, err := s.Due(m.ctx, d.Name, time.Unix(0, math.MaxInt64), len(m.messages)*3+1)
		if err != nil {
			return err
		}
		if len(rows) != due[d.Name] {
			return fmt.Errorf("%s has %d rows, %d of them in the index", d.Name, due[d.Name], len(rows))
		}
	}
	if names != len(due) {
		return fmt.Errorf("%d destinations have rows, %d are in the index", len(due), names)
	}
	return nil
}

func (m *model) compare(found map[rowKey]queue.Row) error {
	for id, msg := range m.messages {
		for n, r := range msg.rows {
			row, there := found[rowKey{id, n}]
			if err := r.compare(row, there); err != nil {
				return fmt.Errorf("recipient %d of %s, %d octets: %w", n, id, len(msg.body), err)
			}
			if err := r.compareCause(there, found); err != nil {
				return fmt.Errorf("recipient %d of %s: %w", n, id, err)
			}
		}
	}
	return nil
}

func (r *rowModel) compare(row queue.Row, there bool) error {
	switch {
	case !there && r.message.acked && r.gone == stays:
		return fmt.Errorf("lost")
	case there && r.gone == isGone:
		return fmt.Errorf("back again")
	case there && (row.Attempts < r.acked || row.Attempts > r.begun):
		return fmt.Errorf("version %d is there, not %d to %d", row.Attempts, r.acked, r.begun)
	case there && row.Destination != r.message.entry.Rows[row.N].Destination:
		return fmt.Errorf("destination is %q", row.Destination)
	}
	return nil
}

// compareCause holds a bounced row and its report together.
func (r *rowModel) compareCause(there bool, found map[rowKey]queue.Row) error {
	if r.causes == nil || !r.message.acked {
		return nil
	}
	reported, settled := false, false
	for n, row := range r.causes.rows {
		_, ok := found[rowKey{r.causes.entry.Envelope.ID, n}]
		reported = reported || ok
		settled = settled || row.gone != stays
	}
	switch {
	case there && reported:
		return fmt.Errorf("its report is there and the row as well")
	case !there && !reported && !settled:
		return fmt.Errorf("gone without its report")
	}
	return nil
}
