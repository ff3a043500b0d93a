// SPDX-License-Identifier: MIT

package greylist

import (
	"time"

	"posthouse/config"
	"posthouse/table"
)

// Config is the `greylist` section of a service. Defaults are postgrey's.
type Config struct {
	Delay                config.Duration `yaml:"delay"`                  // how long a new triplet waits [5m]
	RetryWindow          config.Duration `yaml:"retry_window"`           // by when it must have come again [2d]
	MaxAge               config.Duration `yaml:"max_age"`                // what was not seen for so long is forgotten [35d]
	AutoWhitelistClients int             `yaml:"auto_whitelist_clients"` // networks with so many successes pass; 0: never [5]
	IPv4Prefix           int             `yaml:"ipv4_prefix"`            // bits of the client that count [24]
	IPv6Prefix           int             `yaml:"ipv6_prefix"`            // [64]
	Exceptions           table.Ref       `yaml:"exceptions"`             // clients by address, network or name
	RecipientExceptions  table.Ref       `yaml:"recipient_exceptions"`   // recipients by address, user@ or domain
	MaxEntries           int             `yaml:"max_entries"`            // kept in memory and on disk [200000]
}

const day = 24 * time.Hour

// SetDefaults fills in what postgrey has. It is called before the file is read.
func (c *Config) SetDefaults() {
	*c = Config{
		Delay: config.Duration(300 * time.Second), RetryWindow: config.Duration(2 * day), MaxAge: config.Duration(35 * day),
		AutoWhitelistClients: 5, IPv4Prefix: 24, IPv6Prefix: 64, MaxEntries: 200_000,
	}
}

// Validate finds what cannot work.
func (c *Config) Validate(at config.Section) {
	if c.Delay <= 0 {
		at.At("delay").Errorf("must be more than 0; to greylist nobody, take check_greylist out of the restrictions")
	}
	if c.RetryWindow <= c.Delay {
		at.At("retry_window").Errorf("%s is over before the delay of %s: nobody could ever pass", c.RetryWindow, c.Delay)
	}
	if c.MaxAge < c.RetryWindow {
		at.At("max_age").Errorf("%s is less than the retry_window of %s", c.MaxAge, c.RetryWindow)
	}
	if c.AutoWhitelistClients < 0 {
		at.At("auto_whitelist_clients").Errorf("is a number of successes; 0 turns it off")
	}
	if c.IPv4Prefix < 8 || c.IPv4Prefix > 32 {
		at.At("ipv4_prefix").Errorf("is 8 to 32 bits")
	}
	if c.IPv6Prefix < 16 || c.IPv6Prefix > 128 {
		at.At("ipv6_prefix").Errorf("is 16 to 128 bits")
	}
	if c.MaxEntries < 1000 || c.MaxEntries > 10_000_000 {
		at.At("max_entries").Errorf("is 1000 to 10000000; each takes about 200 octets of memory")
	}
}
