// SPDX-License-Identifier: MIT

package delivery

import (
	"net/netip"
	"slices"
	"strings"
	"time"

	"posthouse/config"
	"posthouse/queue"
	"posthouse/table"
)

// Config is the `delivery:` block of smtp_in, smtp_out and maildrop. Most of it is for relay, to which assembly hands it.
type Config struct {
	TLSSecurityLevel            string       `yaml:"tls_security_level"` // none, may, encrypt, dane, dane-only, verify, secure
	TransportMaps               table.Ref    `yaml:"transport_maps"`
	Retry                       Retry        `yaml:"retry"`
	DestinationConcurrencyLimit int          `yaml:"destination_concurrency_limit"`
	SourceAddresses             []netip.Addr `yaml:"source_addresses"`
	TLSCAFile                   config.Path  `yaml:"tls_ca_file"`
	BounceUnauthenticated       bool         `yaml:"bounce_unauthenticated"`
}

// Retry is when a deferred recipient is tried again, and when no more. Postfix's names are in brackets.
type Retry struct {
	Minimum      config.Duration `yaml:"minimum"`       // minimal_backoff_time
	Maximum      config.Duration `yaml:"maximum"`       // maximal_backoff_time
	Lifetime     config.Duration `yaml:"lifetime"`      // maximal_queue_lifetime, bounce_queue_lifetime
	DelayWarning config.Duration `yaml:"delay_warning"` // delay_warning_time; 0: none is sent
}

// Levels that Config knows; those from dane on are not enforced yet.
const (
	levelMay    = "may"
	levelsNow   = "none may encrypt verify secure"
	levelsLater = "dane dane-only"
)

const (
	defaultConcurrency = 20
	maxConcurrency     = 1000
)

// SetDefaults is DESIGN's block: the times of Postfix, but for the warning, which Postfix does not send by default.
func (c *Config) SetDefaults() {
	c.TLSSecurityLevel = levelMay
	c.DestinationConcurrencyLimit = defaultConcurrency
	c.Retry = DefaultRetry()
}

// DefaultRetry is 5 minutes to 67, for 5 days, with a warning after 4 hours.
func DefaultRetry() Retry {
	return Retry{
		Minimum:      config.Duration(5 * time.Minute),
		Maximum:      config.Duration(67 * time.Minute),
		Lifetime:     config.Duration(5 * 24 * time.Hour),
		DelayWarning: config.Duration(4 * time.Hour),
	}
}

// Queue completes the options of the queue that a Manager with this Config works on.
func (c *Config) Queue(o queue.Options) queue.Options {
	o.Concurrency = c.DestinationConcurrencyLimit
	o.MaxBackoff = time.Duration(c.Retry.Maximum)
	o.Overdue = c.Retry.Overdue()
	return o
}

// Validate checks each value, and names what is understood and not acted upon yet.
func (c *Config) Validate(at config.Section) {
	c.validateLevel(at.At("tls_security_level"))
	if n := c.DestinationConcurrencyLimit; n < 1 || n > maxConcurrency {
		at.At("destination_concurrency_limit").Errorf("must be from 1 to %d, not %d", maxConcurrency, n)
	}
	validateSources(c.SourceAddresses, at.At("source_addresses"))
}

func (c *Config) validateLevel(at config.Section) {
	switch level := c.TLSSecurityLevel; {
	case slices.Contains(strings.Fields(levelsNow), level):
	case slices.Contains(strings.Fields(levelsLater), level):
		at.Unenforced(true, "%s is not enforced yet: TLSA records are not read, and the level counts as %s", level,
			map[string]string{"dane": "may", "dane-only": "encrypt"}[level])
	default:
		at.Errorf("unknown level %q: one of %s %s", level, levelsNow, levelsLater)
	}
}

// validateSources wants at most one address of each family, and real ones.
func validateSources(list []netip.Addr, at config.Section) {
	var v4, v6 int
	for _, a := range list {
		switch {
		case a.IsUnspecified() || a.IsMulticast():
			at.Errorf("%s cannot be the source of a connection", a)
		case a.Unmap().Is4():
			v4++
		default:
			v6++
		}
	}
	if v4 > 1 || v6 > 1 {
		at.Errorf("takes one IPv4 and one IPv6 address, not %d and %d", v4, v6)
	}
}

// Validate checks the times against one another.
func (r *Retry) Validate(at config.Section) {
	switch {
	case r.Minimum < config.Duration(time.Second):
		at.At("minimum").Errorf("must be at least 1s, not %s", r.Minimum)
	case r.Maximum < r.Minimum:
		at.At("maximum").Errorf("%s is shorter than minimum, %s", r.Maximum, r.Minimum)
	}
	if r.Lifetime <= 0 {
		at.At("lifetime").Errorf("must be positive: mail would bounce after its first attempt")
		return
	}
	if r.DelayWarning < 0 {
		at.At("delay_warning").Errorf("must not be negative; 0 sends none")
	}
	if r.DelayWarning >= r.Lifetime {
		at.At("delay_warning").Warnf("%s is not before the end of lifetime, %s: no warning will be sent", r.DelayWarning, r.Lifetime)
	}
}
