// SPDX-License-Identifier: MIT

package srs

import (
	"strings"
	"time"

	"posthouse/config"
)

// Bounds of the hash, in base64 characters. An HMAC-SHA1 has 27; below 4 (24 bits) guessing gets cheap.
const (
	minHash = 4
	maxHash = 27
)

// Config is the `srs:` block. The names are PostSRSd's.
type Config struct {
	Domain         config.Domain   `yaml:"domain"`          // rewritten senders are in it; none turns SRS off
	SecretFile     config.Path     `yaml:"secret_file"`     // one secret a line: the first signs, all verify
	ExcludeDomains []string        `yaml:"exclude_domains"` // senders in them stay as they are; ".d" means what is below d
	Separator      string          `yaml:"separator"`       // after SRS0 and SRS1: "=" (default), "+" or "-"
	HashLength     int             `yaml:"hash_length"`     // characters made (default 4)
	HashMinimum    int             `yaml:"hash_minimum"`    // characters wanted (default 4)
	MaxAge         config.Duration `yaml:"max_age"`         // in whole days (default 21d)
}

// SetDefaults fills in PostSRSd's defaults.
func (c *Config) SetDefaults() {
	c.Separator = "="
	c.HashLength, c.HashMinimum = minHash, minHash
	c.MaxAge = config.Duration(21 * day)
}

// Validate checks the block. That the secret file can be read is seen when it is opened.
func (c *Config) Validate(at config.Section) {
	if c.Domain == "" {
		at.At("domain").Errorf("srs needs the domain that rewritten senders get")
	}
	if c.SecretFile == "" {
		at.At("secret_file").Errorf("srs needs a file with at least one secret")
	}
	if !isSeparator(c.Separator) {
		at.At("separator").Errorf("separator is %q, but must be =, + or -", c.Separator)
	}
	if c.HashMinimum < minHash || c.HashMinimum > c.HashLength || c.HashLength > maxHash {
		at.At("hash_length").Errorf("hash lengths must obey %d <= hash_minimum <= hash_length <= %d", minHash, maxHash)
	}
	if age := time.Duration(c.MaxAge); age < day || age > (slots-1)*day {
		at.At("max_age").Errorf("max_age must be between 1d and %dd, where the dates wrap", slots-1)
	}
	for _, d := range c.ExcludeDomains {
		if strings.Trim(d, ".") == "" {
			at.At("exclude_domains").Errorf("an excluded domain is empty")
		}
	}
}

// excludes reports a sender domain that stays as it is: the rewriting domain itself and the excluded ones.
func (c *Config) excludes(domain string) bool {
	if strings.EqualFold(domain, string(c.Domain)) {
		return true
	}
	for _, d := range c.ExcludeDomains {
		d = strings.ToLower(d)
		if domain == d || strings.HasPrefix(d, ".") && strings.HasSuffix(domain, d) {
			return true
		}
	}
	return false
}

func isSeparator(s string) bool { return s == "=" || s == "+" || s == "-" }
