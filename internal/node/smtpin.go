// SPDX-License-Identifier: MIT

package node

import (
	"context"

	"posthouse/alias"
	"posthouse/delivery"
	"posthouse/mail"
	"posthouse/policy"
	"posthouse/reply"
	"posthouse/smtpd"
	"posthouse/smtpin"
	"posthouse/srs"
	"posthouse/table"
)

// mx is smtp-in while it is put together.
type mx struct {
	*service
	section   *smtpin.Config
	relayed   *table.Table // relay_domains; nil: none
	mailboxes *table.Table // virtual_mailbox_domains of the file's maildrop, wherever it runs; nil: none
	aliases   *alias.Expander
	srs       *srs.Rewriter
}

func (p *process) addSMTPIn() error {
	c := p.SMTPIn
	m := &mx{service: p.newService(SMTPIn, &c.Config, &c.Delivery, c.TLS), section: c}
	m.addParts(m.setup)
	return nil
}

func (m *mx) setup(ctx context.Context) (*routes, smtpd.Service, error) {
	if err := m.openTables(); err != nil {
		return nil, nil, err
	}
	m.service.reportTo = m.reportTo
	r, err := m.start(ctx, m.dead)
	if err != nil {
		return nil, nil, err
	}
	res, err := m.resolver()
	if err != nil {
		return nil, nil, err
	}
	rules := &smtpin.Service{
		Aliases: m.aliases, Relayed: m.isRelayed, Ours: m.ours, SRS: m.srs, Next: m.queue, Log: m.log,
		Facts: &facts{Mynetworks: m.networks(), Resolver: res},
	}
	rules.Relay, rules.Recipient = lists(m.section.RelayRestrictions, m.section.RecipientRestrictions)
	return r, rules, nil
}

// lists parses the two restriction lists; config check has complained of what is wrong in them.
func lists(relay, recipient []string) (policy.List, policy.List) {
	a, _ := policy.ParseList(relay)
	b, _ := policy.ParseList(recipient)
	return a, b
}

func (m *mx) openTables() (err error) {
	if m.aliases, err = m.mxAliases(m.openTable); err != nil {
		return err
	}
	if m.relayed, err = m.openTable(m.section.RelayDomains); err != nil {
		return err
	}
	if m.Maildrop != nil {
		if m.mailboxes, err = m.openTable(m.Maildrop.VirtualMailboxDomains); err != nil {
			return err
		}
	}
	if m.section.SRS == nil {
		return nil
	}
	if m.srs, err = srs.Open(*m.section.SRS); err != nil {
		return err
	}
	m.watcher.Add("srs secrets", m.srs.Paths(), func() error { _, err := m.srs.Reload(); return err })
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
