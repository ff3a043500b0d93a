// SPDX-License-Identifier: MIT

package node

import (
	"context"
	"strings"

	"posthouse/alias"
	"posthouse/mail"
	"posthouse/maildir"
	"posthouse/maildrop"
	"posthouse/relay"
	"posthouse/reply"
	"posthouse/table"
	"posthouse/upstream"
)

// mailboxes is what maildrop works with.
type mailboxes struct {
	*service
	section *maildrop.Config
	aliases *alias.Expander
	domains *table.Table
	store   mail.Carrier       // Dovecot by LMTP, or the embedded Maildir
	probe   maildrop.Mailboxes // who exists there
}

// planMaildrop opens it.
func planMaildrop(s *service, n *snapshot) (*way, error) {
	m := &mailboxes{service: s, section: n.Maildrop}
	var err error
	if m.domains, err = n.openTable(n.Maildrop.VirtualMailboxDomains); err != nil {
		return nil, err
	}
	if m.aliases, err = n.dropAliases(n.openTable); err != nil {
		return nil, err
	}
	r, err := s.newRoutes(n, m.box)
	if err != nil {
		return nil, err
	}
	m.openStore(n, r.relay)
	rules := &maildrop.Service{
		Aliases: m.aliases, Mailboxes: m.probe, Next: s.queue, Log: s.log,
	}
	f, err := s.newFacts(n, &n.Maildrop.Restrictions, usualPatience)
	if err != nil {
		return nil, err
	}
	f.verify = r.verifier(knownTo(m.aliases, m.probe.Takes)).Verify
	rules.Facts = f
	rules.Lists = n.Maildrop.Restrictions.Lists()
	rules.Lists.Delimiter = n.Maildrop.RecipientDelimiter
	return &way{rules: rules, routes: r, reportTo: (&reports{m.aliases, nil, s.log}).to}, nil
}

// openStore makes the carrier into the mailboxes.
func (m *mailboxes) openStore(n *snapshot, r *relay.Relay) {
	if m.section.Maildir != nil {
		m.store = maildir.New(maildir.Options{Root: string(m.section.Maildir.Root), Hostname: m.section.Hostname, User: m.user})
		m.probe = onlyAliases{}
		return
	}
	group := upstream.New(n.beside(), upstream.Options{})
	m.store, m.probe = r.LMTP(group), r.Mailboxes(group)
}

// beside are the LMTP servers of this node: its own host standing as a backup is skipped, since that Dovecot is the one
// behind the local socket.
func (c *Cluster) beside() []upstream.Server {
	var out []upstream.Server
	for _, s := range c.Maildrop.LMTP {
		if s.Backup && strings.EqualFold(s.Address.Host, string(c.Self.Host)) {
			continue
		}
		out = append(out, s)
	}
	return out
}

// onlyAliases is the embedded store's idea of who exists: whom an alias names as a user.
type onlyAliases struct{}

func (onlyAliases) Takes(context.Context, mail.Path) error { return reply.UnknownUser }

// user is the folder of a mailbox: the local part without its extension.
func (m *mailboxes) user(to mail.Path) (string, bool) {
	name := to.Local()
	if i := strings.IndexAny(name, m.section.RecipientDelimiter); i > 0 {
		name = name[:i]
	}
	name = strings.ToLower(name)
	return name, name != "" && !strings.ContainsAny(name, "/\x00") && name[0] != '.'
}

func (m *mailboxes) isMailbox(domain string) bool { return holds(m.domains, domain) }

// box is the store for the mailbox domains.
func (m *mailboxes) box(domain string) (mail.Carrier, bool) {
	if !m.isMailbox(domain) {
		return nil, false
	}
	return m.store, true
}
