// SPDX-License-Identifier: MIT

package maildrop

import (
	"posthouse/certs"
	"posthouse/config"
	"posthouse/delivery"
	"posthouse/internal/admin"
	"posthouse/policy"
	"posthouse/smtpd"
	"posthouse/table"
	"posthouse/upstream"
)

// Config is the maildrop section. It drops into Dovecot by LMTP, or into the embedded Maildir: one of the two.
type Config struct {
	smtpd.Config          `yaml:",inline"`
	Restrictions          policy.Config     `yaml:",inline"`
	VirtualMailboxDomains table.Ref         `yaml:"virtual_mailbox_domains"`
	VirtualAliasMaps      table.Ref         `yaml:"virtual_alias_maps"`
	RecipientDelimiter    string            `yaml:"recipient_delimiter"`
	LMTP                  []upstream.Server `yaml:"lmtp"`
	Maildir               *Maildir          `yaml:"maildir"`
	Delivery              delivery.Config   `yaml:"delivery"`
	TLS                   *certs.Config     `yaml:"tls"`
	Admin                 *admin.Config     `yaml:"admin"`
}

// Maildir is the embedded store: root/<user>/Maildir.
type Maildir struct {
	Root config.Path `yaml:"root"`
}

// SetDefaults is the safe relay list of Postfix.
func (c *Config) SetDefaults() {
	c.Config.SetDefaults()
	c.Restrictions.SetDefaults()
}

// Validate wants domains and one kind of store.
func (c *Config) Validate(at config.Section) {
	c.Config.Validate(at)
	if c.VirtualMailboxDomains.IsZero() {
		at.Errorf("needs virtual_mailbox_domains: it would take mail for nobody")
	}
	switch {
	case len(c.LMTP) == 0 && c.Maildir == nil:
		at.Errorf("needs lmtp (a Dovecot) or maildir (the embedded store)")
	case len(c.LMTP) > 0 && c.Maildir != nil:
		at.At("maildir").Errorf("stands beside lmtp: choose one of them")
	}
	if c.Maildir != nil && c.Maildir.Root == "" {
		at.At("maildir").Errorf("needs root: the folder of the mailboxes")
	}
}
