// SPDX-License-Identifier: MIT

package smtpin

import (
	"strings"
	"testing"

	"posthouse/config"
)

const section = `
hostname: mx.test
listen: [":25"]
relay_domains: [relay.test]
`

// TestConfig: what is right, and what is said of the rest.
func TestConfig(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ text, want string }{
		{section, ""},
		{strings.Replace(section, "relay_domains", "virtual_alias_maps: [x]\nvirtual_alias_domains", 1), ""},
		{strings.Replace(section, "relay_domains: [relay.test]\n", "", 1), "it would take mail for nobody"},
		{strings.Replace(section, "relay_domains", "virtual_alias_domains", 1), "needs virtual_alias_maps beside it"},
		{section + "relay_restrictions: [permit_mynetworks]\n", "nothing refuses to relay for strangers"},
		{section + "relay_restrictions: [permit_mynetworks]\nrecipient_restrictions: [reject_unauth_destination]\n", ""},
		{section + "recipient_restrictions: [rejekt]\n", `unknown restriction "rejekt"`},
		{section + "gate: {action: drop}\n", "gate: looks at nobody"},
		{section + "gate: {action: drop, greet_wait: 2s}\n", ""},
		{section + "sender_authentication: {dmarc: false, dmarc_enforcement: reject}\n", "reject has nothing to go by: dmarc is off"},
		{section + "srs: {}\n", "srs needs the domain"},
	} {
		var into Config
		_, report := config.Parse("x.yaml", []byte(c.text), &into)
		switch err := report.Err(); {
		case c.want == "" && err != nil:
			t.Errorf("%s\n%v", c.text, err)
		case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)):
			t.Errorf("%s\nwant %q, got %v", c.text, c.want, err)
		}
	}
	var c Config
	if _, report := config.Parse("x.yaml", []byte(section), &c); report.Err() != nil || len(c.Restrictions.RelayRestrictions) != 3 {
		t.Errorf("no safe default: %q", c.Restrictions.RelayRestrictions)
	}
}
