// SPDX-License-Identifier: MIT

package smtpout

import (
	"posthouse/auth"
	"posthouse/certs"
	"posthouse/config"
	"posthouse/delivery"
	"posthouse/dkim"
	"posthouse/internal/admin"
	"posthouse/milter"
	"posthouse/policy"
	"posthouse/policy/content"
	"posthouse/smtpd"
	"posthouse/table"
)

// Config is the smtp_out section.
type Config struct {
	smtpd.Config       `yaml:",inline"`
	Auth               *auth.Config    `yaml:"auth"`
	SenderLoginMaps    table.Ref       `yaml:"sender_login_maps"`
	RecipientDelimiter string          `yaml:"recipient_delimiter"` // for senders, and for transport_maps
	Restrictions       policy.Config   `yaml:",inline"`
	Content            content.Config  `yaml:",inline"`
	Milters            []milter.Config `yaml:"milters"`
	DKIM               *dkim.Config    `yaml:"dkim"`
	Delivery           delivery.Config `yaml:"delivery"`
	TLS                *certs.Config   `yaml:"tls"`
	Admin              *admin.Config   `yaml:"admin"`
}

// SetDefaults is the safe relay list of Postfix; our own users may send bare LF, which is normalised before signing.
func (c *Config) SetDefaults() {
	c.Config.SetDefaults()
	c.Restrictions.SetDefaults()
	c.ForbidBareNewline = "normalize"
}

// Validate wants somebody who may submit, and no password in the clear.
func (c *Config) Validate(at config.Section) {
	c.Config.Validate(at)
	if c.Auth == nil {
		at.Errorf("needs auth: {passwd_file: ...}: nobody could submit")
	}
}
