// SPDX-License-Identifier: MIT

package relay

import (
	"context"
	"errors"
	"strings"
	"time"

	"posthouse/mail"
	"posthouse/reply"
	"posthouse/smtpclient"
	"posthouse/upstream"
)

// How long the store's word on a mailbox holds, and on how many. A new mailbox must soon take mail, so "no" is forgotten
// sooner than "yes".
const (
	askFor       = 30 * time.Second // the client waits for the reply to RCPT meanwhile
	yesHolds     = 10 * time.Minute
	noHolds      = time.Minute
	maxMailboxes = 10000
	maxAsking    = 20 // questions under way: strangers choose how many there are
)

// Mailboxes asks the LMTP servers of a group who exists, and remembers the answers.
type Mailboxes struct {
	relay *Relay
	group *upstream.Group
	turns chan struct{} // one taken by each question under way
	known *Verdicts     // of 2yz and 5yz
}

// Mailboxes makes one. It is safe for use by many at once.
func (r *Relay) Mailboxes(g *upstream.Group) *Mailboxes {
	return &Mailboxes{relay: r, group: g, turns: make(chan struct{}, maxAsking), known: NewVerdicts(r.o.Now, maxMailboxes)}
}

// Takes is nil if the store takes mail for an address; otherwise a reply, 5yz if it does not, 4yz if nobody answered.
func (m *Mailboxes) Takes(ctx context.Context, to mail.Path) error {
	if r, ok := m.remembered(to); ok {
		return judge(r)
	}
	ctx, cancel := context.WithTimeout(ctx, askFor)
	defer cancel()
	select {
	case m.turns <- struct{}{}:
	case <-ctx.Done():
		return judge(reply.NoContact.Because(ctx.Err()))
	}
	defer func() { <-m.turns }()
	r := m.ask(ctx, to)
	m.remember(to, r)
	return judge(r)
}

// judge makes the store's word ours. A full mailbox keeps its enhanced code; what else is permanent means that there is none.
func judge(r reply.Reply) error {
	switch {
	case r.Code/100 == 2:
		return nil
	case r.Permanent() && strings.HasPrefix(r.Enhanced, "5.2."):
		full := reply.UnknownUser.With("Recipient address rejected: the mailbox takes no mail")
		full.Enhanced = r.Enhanced
		return full.Because(r)
	case r.Permanent():
		return reply.UnknownUser.Because(r)
	}
	return reply.NoContact.With("Mailbox cannot be verified now").Because(r)
}

func (m *Mailboxes) remembered(to mail.Path) (reply.Reply, bool) {
	r, age, ok := m.known.of(to)
	if r.Code/100 == 2 {
		return r, ok && age < yesHolds
	}
	return r, ok && age < noHolds
}

func (m *Mailboxes) remember(to mail.Path, r reply.Reply) {
	if r.Code/100 == 2 || r.Permanent() {
		m.known.add(to, r)
	}
}

// ask goes through the group until one member answers. What hinders a conversation never counts as an answer: a store that
// greets with 554 must not make all its mailboxes unknown.
func (m *Mailboxes) ask(ctx context.Context, to mail.Path) reply.Reply {
	last := reply.NoContact
	var visit upstream.Visit
	for member := m.group.Pick(&visit); member != nil; member = m.group.Pick(&visit) {
		member.Release() // a question is short, and takes no delivery's place under max_conns
		r, err := m.askMember(ctx, member, to)
		switch {
		case err == nil:
			member.OK()
			return r
		case ctx.Err() != nil:
			return reply.NoContact.Because(ctx.Err())
		}
		member.Fail()
		last = smtpclient.Soften(reply.For(err))
	}
	return last
}

func (m *Mailboxes) askMember(ctx context.Context, member *upstream.Member, to mail.Path) (reply.Reply, error) {
	targets, no := m.relay.memberTargets(ctx, member)
	if no != nil {
		return reply.Reply{}, no.reply
	}
	var err error
	for _, t := range targets {
		var r reply.Reply
		if r, err = m.relay.ask(ctx, t, to); err == nil {
			return r, nil
		}
	}
	return reply.Reply{}, err
}

// ask asks one host on a conversation that deliveries use too, before or after.
func (r *Relay) ask(ctx context.Context, t target, to mail.Path) (reply.Reply, error) {
	k := keyOf(t, r.levelFor(t, false))
	for {
		c, fresh, err := r.conversation(ctx, t, k)
		if err != nil {
			return reply.Reply{}, err
		}
		answer, err := c.conn.Verify(ctx, to)
		r.idle.put(k, c)
		if !errors.Is(err, smtpclient.ErrStale) || fresh {
			return answer, err
		}
	}
}
