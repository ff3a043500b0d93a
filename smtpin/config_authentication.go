// SPDX-License-Identifier: MIT

package smtpin

import (
	"time"

	"posthouse/config"
)

// AuthenticationConfig says what is found out about the sender of a message from outside, and what is made of it. Clients of
// mynetworks and users who logged in are not asked about.
type AuthenticationConfig struct {
	SPF              bool            `yaml:"spf"`
	DKIM             bool            `yaml:"dkim"`
	DMARC            bool            `yaml:"dmarc"`
	DMARCEnforcement string          `yaml:"dmarc_enforcement"` // auto, off, quarantine, reject
	AuthservID       string          `yaml:"authserv_id"`       // whose word Authentication-Results is; "": hostname
	Timeout          config.Duration `yaml:"timeout"`           // of all checks of one message, after its final dot
}

// SetDefaults asks everything.
func (c *AuthenticationConfig) SetDefaults() {
	*c = AuthenticationConfig{SPF: true, DKIM: true, DMARC: true, DMARCEnforcement: "auto", Timeout: config.Duration(20 * time.Second)}
}

// Validate checks the words.
func (c *AuthenticationConfig) Validate(at config.Section) {
	switch c.DMARCEnforcement {
	case "auto", "off", "quarantine", "reject":
	default:
		at.At("dmarc_enforcement").Errorf("unknown word %q: use auto (unless a milter has judged the message), off, quarantine or reject", c.DMARCEnforcement)
	}
	if !c.DMARC && (c.DMARCEnforcement == "reject" || c.DMARCEnforcement == "quarantine") {
		at.At("dmarc_enforcement").Errorf("%s has nothing to go by: dmarc is off", c.DMARCEnforcement)
	}
	if c.DMARC && !c.SPF && !c.DKIM {
		at.At("dmarc").Errorf("rests on spf and dkim, which are both off: every message would fail")
	}
	if c.Timeout <= 0 {
		at.At("timeout").Errorf("must be more than 0")
	}
	if c.AuthservID != "" && !isAuthservID(c.AuthservID) {
		at.At("authserv_id").Errorf("%q is no name: letters, digits, dots and hyphens", c.AuthservID)
	}
}

// isAuthservID takes what stands in the field without quotes.
func isAuthservID(s string) bool {
	for _, r := range s {
		if !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '.' || r == '-' || r == '_') {
			return false
		}
	}
	return true
}
