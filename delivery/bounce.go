// SPDX-License-Identifier: MIT

package delivery

import (
	"context"
	"fmt"
	"slices"

	"posthouse/mail"
	"posthouse/queue"
)

// Bounds of one step of a bounce by hand: messages named, recipients claimed.
const (
	bounceMessages   = 200
	bounceRecipients = 100_000
)

// bounce gives recipients up and tells the sender, as if the next hop had refused them. Which messages are meant is fixed
// before the first one goes: the reports that come of it would match --all as well.
func (m *Manager) bounce(ctx context.Context, f queue.Filter) (sum queue.Acted, err error) {
	if !f.All && len(f.IDs) == 0 && f.Sender == "" && f.Recipient == "" && f.State == "" {
		return sum, queue.ErrNoFilter
	}
	var ids []mail.ID
	for x, err := range m.messages(ctx, f) {
		if err != nil {
			return sum, err
		}
		ids = append(ids, x.id)
	}
	for part := range slices.Chunk(ids, bounceMessages) {
		f.All, f.IDs = false, part
		claims, later, err := m.Queue.Take(ctx, f, bounceRecipients)
		sum.Later += later
		if err == nil {
			err = m.giveBack(ctx, claims, &sum)
		} else {
			m.abandon(claims)
		}
		if err != nil {
			return sum, err
		}
	}
	return sum, nil
}

// giveBack settles claims one after the other and lets go of the rest at the first error.
func (m *Manager) giveBack(ctx context.Context, claims []*queue.Claim, sum *queue.Acted) error {
	for i, c := range claims {
		env, msg, err := m.Queue.Load(ctx, c.ID)
		if err != nil {
			env, msg, err = m.remains(ctx, c.ID)
		}
		if err != nil {
			m.abandon(claims[i:])
			return fmt.Errorf("%s cannot be read, so its sender is not known: %w", c.ID, err)
		}
		verdicts, dead := m.verdicts(ctx, env, msg, c)
		if err := m.settle(ctx, c, env, msg, verdicts, dead); err != nil {
			m.abandon(claims[i+1:])
			return err
		}
		sum.Now += len(c.Rows)
	}
	return nil
}

func (m *Manager) abandon(claims []*queue.Claim) {
	for _, c := range claims {
		m.Queue.Abandon(c)
	}
}
