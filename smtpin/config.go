// SPDX-License-Identifier: MIT

package smtpin

import (
	"posthouse/certs"
	"posthouse/config"
	"posthouse/delivery"
	"posthouse/greylist"
	"posthouse/internal/admin"
	"posthouse/milter"
	"posthouse/policy"
	"posthouse/policy/content"
	"posthouse/smtpd"
	"posthouse/srs"
	"posthouse/table"
)

// Config is the smtp_in section.
type Config struct {
	smtpd.Config         `yaml:",inline"`
	Gate                 GateConfig           `yaml:"gate"`
	Restrictions         policy.Config        `yaml:",inline"`
	DNSBL                DNSBLConfig          `yaml:"dnsbl"`
	Greylist             greylist.Config      `yaml:"greylist"`
	SenderAuthentication AuthenticationConfig `yaml:"sender_authentication"`
	Content              content.Config       `yaml:",inline"`
	Milters              []milter.Config      `yaml:"milters"`
	VirtualAliasDomains  table.Ref            `yaml:"virtual_alias_domains"`
	VirtualAliasMaps     table.Ref            `yaml:"virtual_alias_maps"`
	RelayDomains         table.Ref            `yaml:"relay_domains"`
	RecipientDelimiter   string               `yaml:"recipient_delimiter"`
	SRS                  *srs.Config          `yaml:"srs"`
	Delivery             delivery.Config      `yaml:"delivery"`
	TLS                  *certs.Config        `yaml:"tls"`
	Admin                *admin.Config        `yaml:"admin"`
}

// SetDefaults is the safe relay list of Postfix.
func (c *Config) SetDefaults() {
	c.Config.SetDefaults()
	c.Restrictions.SetDefaults()
}

// Validate checks the lists together: one of them must refuse to relay for strangers.
func (c *Config) Validate(at config.Section) {
	c.Config.Validate(at)
	if c.VirtualAliasDomains.IsZero() && c.RelayDomains.IsZero() {
		at.Errorf("has neither virtual_alias_domains nor relay_domains: it would take mail for nobody")
	}
	if !c.VirtualAliasDomains.IsZero() && c.VirtualAliasMaps.IsZero() && !at.Has("virtual_alias_maps") {
		at.At("virtual_alias_domains").Errorf("needs virtual_alias_maps beside it: every recipient would be unknown")
	}
}
