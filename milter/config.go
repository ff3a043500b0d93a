// SPDX-License-Identifier: MIT

// Package milter holds the configuration of the mail filters (Sendmail's milter protocol, as Rspamd speaks it) that a
// service asks about each message. The conversation itself is not enforced yet: a configuration that names a filter says
// so, and the service starts only with --allow-unenforced.
package milter

import (
	"time"

	"posthouse/config"
)

// Config is one filter of a service's milters list, in the words of Postfix's smtpd_milters.
type Config struct {
	Address        config.Address  `yaml:"address"`
	DefaultAction  string          `yaml:"default_action"` // accept | reject | tempfail | quarantine, when the filter cannot be asked
	ConnectTimeout config.Duration `yaml:"connect_timeout"`
	CommandTimeout config.Duration `yaml:"command_timeout"`
	ContentTimeout config.Duration `yaml:"content_timeout"`
}

// SetDefaults are Postfix's.
func (c *Config) SetDefaults() {
	c.DefaultAction = "tempfail"
	c.ConnectTimeout = config.Duration(30 * time.Second)
	c.CommandTimeout = config.Duration(30 * time.Second)
	c.ContentTimeout = config.Duration(300 * time.Second)
}

// Validate checks the words and says that the filter is not asked yet.
func (c *Config) Validate(at config.Section) {
	if c.Address.IsZero() {
		at.Errorf("a milter needs an address: inet:host:port or unix:/path")
	}
	switch c.DefaultAction {
	case "accept", "reject", "tempfail", "quarantine":
	default:
		at.At("default_action").Errorf("unknown action %q: use accept, reject, tempfail or quarantine", c.DefaultAction)
	}
	at.Unenforced(true, "milters are not asked yet: mail passes without this filter")
}
