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
	"posthouse/smtpd"
	"posthouse/table"
	"posthouse/upstream"
)

// mailboxes is maildrop while it is put together.
type mailboxes struct {
	*service
	section *maildrop.Config
	aliases *alias.Expander
	domains *table.Table
	store   mail.Carrier       // Dovecot by LMTP, or the embedded Maildir
	probe   maildrop.Mailboxes // who exists there
}

func (p *process) addMaildrop() error {
	c := p.Maildrop
	m := &mailboxes{service: p.newService(Maildrop, &c.Config, &c.Delivery, c.TLS), section: c}
	m.addParts(m.setup)
	return nil
}

func (m *mailboxes) setup(ctx context.Context) (*routes, smtpd.Service, error) {
	if err := m.openTables(); err != nil {
		return nil, nil, err
	}
	m.service.reportTo = m.reportTo
	r, err := m.start(ctx, m.box)
	if err != nil {
		return nil, nil, err
	}
	m.openStore(r.relay)
	res, err := m.resolver()
	if err != nil {
		return nil, nil, err
	}
	rules := &maildrop.Service{
		Aliases: m.aliases, Mailboxes: m.probe, Next: m.queue, Log: m.log,
		Facts: &facts{Mynetworks: m.networks(), Resolver: res},
	}
	rules.Relay, rules.Recipient = lists(m.section.RelayRestrictions, m.section.RecipientRestrictions)
	return r, rules, nil
}

func (m *mailboxes) openTables() (err error) {
	if m.domains, err = m.openTable(m.section.VirtualMailboxDomains); err != nil {
		return err
	}
	m.aliases, err = m.dropAliases(m.openTable)
	return err
}

// openStore makes the carrier into the mailboxes.
func (m *mailboxes) openStore(r *relay.Relay) {
	if m.section.Maildir != nil {
		m.store = maildir.New(maildir.Options{Root: string(m.section.Maildir.Root), Hostname: m.config.Hostname, User: m.user})
		m.probe = onlyAliases{}
		return
	}
	group := upstream.New(m.beside(), nil)
	m.store, m.probe = r.LMTP(group), r.Mailboxes(group)
}

// beside are the LMTP servers of this node: its own host standing as a backup is skipped, since that Dovecot is the one
// behind the local socket.
func (m *mailboxes) beside() []upstream.Server {
	var out []upstream.Server
	for _, s := range m.section.LMTP {
		if s.Backup && strings.EqualFold(s.Address.Host, string(m.Self.Host)) {
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
