// SPDX-License-Identifier: MIT

package node

import (
	"fmt"

	"posthouse/alias"
	"posthouse/mail"
	"posthouse/table"
)

// opener opens a table, nil if none is configured: a process watches it too, a command reads it once.
type opener func(table.Ref) (*table.Table, error)

// readTable opens a table for one look.
func (c *Cluster) readTable(ref table.Ref) (*table.Table, error) {
	if ref.IsZero() {
		return nil, nil
	}
	return table.Open(ref, c.document.Root().Dir())
}

// mxAliases are smtp-in's.
func (c *Cluster) mxAliases(open opener) (*alias.Expander, error) {
	domains, err := open(c.SMTPIn.VirtualAliasDomains)
	if err != nil {
		return nil, err
	}
	maps, err := open(c.SMTPIn.VirtualAliasMaps)
	if err != nil {
		return nil, err
	}
	return alias.New(alias.Options{
		Domains: domains, Maps: maps, Delimiter: c.SMTPIn.RecipientDelimiter, Postmaster: string(c.Config.Cluster),
	}), nil
}

// dropAliases are maildrop's: what has no alias in a mailbox domain may be a mailbox.
func (c *Cluster) dropAliases(open opener) (*alias.Expander, error) {
	mailboxes, err := open(c.Maildrop.VirtualMailboxDomains)
	if err != nil {
		return nil, err
	}
	maps, err := open(c.Maildrop.VirtualAliasMaps)
	if err != nil {
		return nil, err
	}
	return alias.New(alias.Options{
		Maps: maps, Mailboxes: mailboxes, Delimiter: c.Maildrop.RecipientDelimiter, Postmaster: string(c.Config.Cluster),
	}), nil
}

// Expand says who gets mail for an address, and which service expands it: smtp-in, or maildrop for its own domains.
func (c *Cluster) Expand(to mail.Path) (service string, result alias.Result, err error) {
	var aliases *alias.Expander
	if c.Maildrop != nil {
		if aliases, err = c.dropAliases(c.readTable); err != nil {
			return Maildrop, result, err
		}
		if aliases.Snapshot().IsOurs(to.Domain()) {
			result, err = aliases.Snapshot().Expand(to)
			return Maildrop, result, err
		}
	}
	if c.SMTPIn == nil {
		return SMTPIn, result, fmt.Errorf("the cluster file has no smtp_in, and %q is no mailbox domain", to.Domain())
	}
	if aliases, err = c.mxAliases(c.readTable); err != nil {
		return SMTPIn, result, err
	}
	result, err = aliases.Snapshot().Expand(to)
	return SMTPIn, result, err
}
