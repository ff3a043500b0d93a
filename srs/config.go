// SPDX-License-Identifier: MIT

package srs

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"posthouse/config"
	"posthouse/mail"
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
	for _, w := range c.wrong() {
		at.At(w.key).Errorf("%s", w.why)
	}
}

// Check is Validate for a Config that was not read from a file.
func (c *Config) Check() error {
	var errs []error
	for _, w := range c.wrong() {
		errs = append(errs, fmt.Errorf("%s: %s", w.key, w.why))
	}
	return errors.Join(errs...)
}

// mistake is what is wrong with the value of a key.
type mistake struct{ key, why string }

func (c *Config) wrong() (found []mistake) {
	add := func(key, format string, args ...any) {
		found = append(found, mistake{key, fmt.Sprintf(format, args...)})
	}
	if c.Domain == "" {
		add("domain", "srs needs the domain that rewritten senders get")
	}
	if c.SecretFile == "" {
		add("secret_file", "srs needs a file with at least one secret")
	}
	if !isSeparator(c.Separator) {
		add("separator", "%q is none of =, + and -", c.Separator)
	}
	if c.HashMinimum < minHash || c.HashMinimum > c.HashLength || c.HashLength > maxHash {
		add("hash_length", "the lengths must obey %d <= hash_minimum <= hash_length <= %d", minHash, maxHash)
	}
	if age := time.Duration(c.MaxAge); age < day || age > (slots-1)*day {
		add("max_age", "must be between 1d and %dd, where the dates wrap", slots-1)
	}
	for _, d := range c.ExcludeDomains {
		if _, err := exclusion(d); err != nil {
			add("exclude_domains", "%v", err)
		}
	}
	return found
}

// exclusion is an excluded domain as those of senders are written: A-labels in lower case.
func exclusion(d string) (string, error) {
	name, below := strings.CutPrefix(strings.TrimSpace(d), ".")
	if strings.Trim(name, ".") == "" {
		return "", errors.New("an excluded domain is empty")
	}
	name, err := mail.ParseDomain(strings.TrimSuffix(name, "."))
	if err != nil {
		return "", fmt.Errorf("excluded domain %q: %w", d, err)
	}
	if below {
		name = "." + name
	}
	return name, nil
}

// exclusions are those of a Config that passed wrong.
func (c *Config) exclusions() []string {
	var out []string
	for _, d := range c.ExcludeDomains {
		if name, err := exclusion(d); err == nil {
			out = append(out, name)
		}
	}
	return out
}

func isSeparator(s string) bool { return s == "=" || s == "+" || s == "-" }
