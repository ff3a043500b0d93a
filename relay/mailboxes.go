// SPDX-License-Identifier: MIT

package relay

import (
	"context"
	"sync"
	"time"

	"posthouse/mail"
	"posthouse/reply"
	"posthouse/upstream"
)

// How long the store's word on a mailbox holds, and on how many. A new mailbox must soon take mail, so "no" is forgotten
// sooner than "yes".
const (
	yesHolds     = 10 * time.Minute
	noHolds      = time.Minute
	maxMailboxes = 10000
)

// Mailboxes asks the LMTP servers of a group who exists, and remembers the answers.
type Mailboxes struct {
	relay *Relay
	group *upstream.Group

	mu    sync.Mutex
	known map[mail.Path]verdict
}

type verdict struct {
	reply reply.Reply // of 2yz or 5yz
	until time.Time
}

// Mailboxes makes one. It is safe for use by many at once.
func (r *Relay) Mailboxes(g *upstream.Group) *Mailboxes {
	return &Mailboxes{relay: r, group: g, known: map[mail.Path]verdict{}}
}

// Takes is nil if the store takes mail for an address; otherwise a reply, 5yz if it does not, 4yz if nobody answered.
func (m *Mailboxes) Takes(ctx context.Context, to mail.Path) error {
	r, ok := m.remembered(to)
	if !ok {
		r = m.ask(ctx, to)
		m.remember(to, r)
	}
	switch r.Code / 100 {
	case 2:
		return nil
	case 5:
		return reply.UnknownUser.Because(r)
	}
	return reply.NoContact.With("Mailbox cannot be verified now").Because(r)
}

func (m *Mailboxes) remembered(to mail.Path) (reply.Reply, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	v, ok := m.known[to]
	return v.reply, ok && m.relay.o.Now().Before(v.until)
}

func (m *Mailboxes) remember(to mail.Path, r reply.Reply) {
	holds := yesHolds
	switch r.Code / 100 {
	case 2:
	case 5:
		holds = noHolds
	default:
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.known) >= maxMailboxes {
		clear(m.known)
	}
	m.known[to] = verdict{r, m.relay.o.Now().Add(holds)}
}

// ask goes through the group until one member answers.
func (m *Mailboxes) ask(ctx context.Context, to mail.Path) reply.Reply {
	last := reply.NoContact
	for _, member := range m.group.Order() {
		targets, no := m.relay.memberTargets(ctx, member)
		if no != nil {
			last = no.reply
			continue
		}
		for _, t := range targets {
			r, err := m.askTarget(ctx, t, to)
			if err == nil {
				return r
			}
			last = reply.For(err)
		}
		member.Fail()
	}
	return last
}

func (m *Mailboxes) askTarget(ctx context.Context, t target, to mail.Path) (reply.Reply, error) {
	t.lmtp = true
	level := m.relay.level
	if t.local {
		level = none
	}
	c, err := m.relay.connect(ctx, t, level)
	if err != nil {
		return reply.Reply{}, err
	}
	defer c.Close()
	r, err := c.Verify(ctx, to)
	if err == nil {
		c.Quit()
	}
	return r, err
}
