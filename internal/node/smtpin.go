// SPDX-License-Identifier: MIT

package node

import (
	"time"

	"posthouse/alias"
	"posthouse/delivery"
	"posthouse/mail"
	"posthouse/reply"
	"posthouse/smtpin"
	"posthouse/srs"
	"posthouse/table"
)

// mx is what smtp-in works with.
type mx struct {
	*service
	relayed   *table.Table // relay_domains; nil: none
	mailboxes *table.Table // virtual_mailbox_domains of the file's maildrop, wherever it runs; nil: none
	aliases   *alias.Expander
	srs       *srs.Rewriter
}

// planSMTPIn opens it.
func planSMTPIn(s *service, n *snapshot) (*way, error) {
	m := &mx{service: s}
	if err := m.openTables(n); err != nil {
		return nil, err
	}
	rules := &smtpin.Service{
		Aliases: m.aliases, Relayed: m.isRelayed, Ours: m.ours, SRS: m.srs, Next: s.queue, Log: s.log,
	}
	var err error
	if rules.Facts, err = s.newFacts(n, &n.SMTPIn.Restrictions, time.Duration(n.SMTPIn.DNSBL.Timeout)); err != nil {
		return nil, err
	}
	rules.Lists = n.SMTPIn.Restrictions.Lists()
	rules.Lists.Delimiter = n.SMTPIn.RecipientDelimiter
	r, err := s.newRoutes(n, m.dead)
	if err != nil {
		return nil, err
	}
	return &way{rules: rules, routes: r, reportTo: (&reports{m.aliases, m.srs, s.log}).to}, nil
}

func (m *mx) openTables(n *snapshot) (err error) {
	if m.aliases, err = n.mxAliases(n.openTable); err != nil {
		return err
	}
	if m.relayed, err = n.openTable(n.SMTPIn.RelayDomains); err != nil {
		return err
	}
	if n.Maildrop != nil {
		if m.mailboxes, err = n.openTable(n.Maildrop.VirtualMailboxDomains); err != nil {
			return err
		}
	}
	if n.SMTPIn.SRS == nil {
		return nil
	}
	if m.srs, err = srs.Open(*n.SMTPIn.SRS); err != nil {
		return err
	}
	n.follow("srs secrets", m.srs)
	return nil
}

// holds reports that a table, which may be none, has a domain.
func holds(t *table.Table, domain string) bool {
	if t == nil {
		return false
	}
	_, _, ok := t.View().Lookup(domain)
	return ok
}

// isRelayed reports a domain of relay_domains.
func (m *mx) isRelayed(domain string) bool { return holds(m.relayed, domain) }

// ours reports a domain of the cluster: what goes to it does not leave us.
func (m *mx) ours(domain string) bool {
	return m.aliases.Snapshot().IsAlias(domain) || m.isRelayed(domain) || holds(m.mailboxes, domain)
}

// dead returns what an alias sent to nobody: its domain is ours, so no MX would know better.
func (m *mx) dead(domain string) (mail.Carrier, bool) {
	if !m.aliases.Snapshot().IsAlias(domain) {
		return nil, false
	}
	return delivery.Answer(mail.Result{Status: mail.Failed, Reply: reply.UnknownUser}), true
}
