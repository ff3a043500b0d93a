// SPDX-License-Identifier: MIT

package node

import (
	"errors"
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
	c := n.SMTPIn
	rules := &smtpin.Service{
		Hostname: c.Hostname, Aliases: m.aliases, Relayed: m.isRelayed, Ours: m.ours, SRS: m.srs, Next: s.queue, Spool: s.spool(), Log: s.log,
		Lists: c.Restrictions.Lists(), Filters: s.filters(c.Milters, c.Hostname, int64(c.MessageSizeLimit)),
		Authentication: smtpin.NewAuthentication(c.SenderAuthentication, c.Hostname, n.names),
		Trails:         &s.standing.trails, Metrics: s.standing.metrics,
	}
	rules.Lists.Delimiter = c.RecipientDelimiter
	w := &way{rules: rules, reportTo: (&reports{m.aliases, m.srs, s.log}).to}
	var err error
	if rules.Checks, err = n.openChecks(&c.Content); err != nil {
		return nil, err
	}
	if err := m.openGate(n, rules); err != nil {
		return nil, err
	}
	if w.routes, err = s.newRoutes(n, m.dead); err != nil {
		return nil, err
	}
	if err := m.openFacts(n, rules, w); err != nil {
		return nil, errors.Join(err, w.routes.close())
	}
	return w, nil
}

func (m *mx) openGate(n *snapshot, rules *smtpin.Service) error {
	allowed, err := n.allowed(n.SMTPIn.Gate.Allow)
	if err == nil {
		rules.Gate = smtpin.NewGate(n.SMTPIn.Gate, time.Duration(n.SMTPIn.DNSBL.Timeout), allowed, m.standing.lists)
	}
	return err
}

// openFacts opens what the lists ask; the same without a trace is for explain.
func (m *mx) openFacts(n *snapshot, rules *smtpin.Service, w *way) error {
	f, err := m.newFacts(n, &n.SMTPIn.Restrictions, time.Duration(n.SMTPIn.DNSBL.Timeout))
	if err != nil {
		return err
	}
	f.verify = w.routes.verifier(knownTo(m.aliases, nil)).Verify
	looking := *f
	if asksGreylist(&n.SMTPIn.Restrictions) {
		list, use, err := m.greylist(n, n.SMTPIn.Greylist)
		if err != nil {
			return err
		}
		f.waiting, looking.waiting = list, peek{list}
		w.inForce = append(w.inForce, use)
	}
	rules.Facts, w.outside = f, smtpin.Outside{Facts: &looking, Resolver: n.names}
	return nil
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
