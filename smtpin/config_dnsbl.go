// SPDX-License-Identifier: MIT

package smtpin

import (
	"time"

	"posthouse/config"
)

// DNSBLConfig says how DNS lists are asked, wherever the restriction lists and the gate name them.
type DNSBLConfig struct {
	Timeout config.Duration `yaml:"timeout"` // for all lists of one recipient together, asked side by side
}

// SetDefaults is what a resolver needs for an answer that it has to look for.
func (c *DNSBLConfig) SetDefaults() { c.Timeout = config.Duration(5 * time.Second) }

// maxDNSBLTimeout keeps RCPT well below what clients wait for, five minutes (RFC 5321 4.5.3.2.3).
const maxDNSBLTimeout = 30 * time.Second

// Validate bounds the wait.
func (c *DNSBLConfig) Validate(at config.Section) {
	if d := time.Duration(c.Timeout); d <= 0 || d > maxDNSBLTimeout {
		at.At("timeout").Errorf("must be more than 0 and at most %s", maxDNSBLTimeout)
	}
}
