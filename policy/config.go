// SPDX-License-Identifier: MIT

package policy

import (
	"fmt"

	"posthouse/config"
	"posthouse/delegation"
	"posthouse/dnsbl"
	"posthouse/table"
)

// Config are the restriction lists of a service. It is inlined into the service's section.
type Config struct {
	RelayRestrictions     []string `yaml:"relay_restrictions"`
	ClientRestrictions    []string `yaml:"client_restrictions"`
	HeloRestrictions      []string `yaml:"helo_restrictions"`
	SenderRestrictions    []string `yaml:"sender_restrictions"`
	RecipientRestrictions []string `yaml:"recipient_restrictions"`
	DataRestrictions      []string `yaml:"data_restrictions"`
}

// SetDefaults is Postfix's safe smtpd_relay_restrictions, and nothing else.
func (c *Config) SetDefaults() {
	c.RelayRestrictions = DefaultRelay()
}

// DefaultRelay is Postfix's safe smtpd_relay_restrictions.
func DefaultRelay() []string {
	return []string{"permit_mynetworks", "permit_sasl_authenticated", "defer_unauth_destination"}
}

// configured is one list as the file has it.
type configured struct {
	stance
	entries []string
}

func (c *Config) lists() []configured {
	return []configured{
		{inRelay, c.RelayRestrictions}, {inClient, c.ClientRestrictions}, {inHelo, c.HeloRestrictions},
		{inSender, c.SenderRestrictions}, {inRecipient, c.RecipientRestrictions}, {inData, c.DataRestrictions},
	}
}

// Validate complains of what cannot be read or is not enforced, at its place below at, and of lists that would relay for the
// world.
func (c *Config) Validate(at config.Section) {
	for _, l := range c.lists() {
		l.complain(at.At(l.stance.String()))
	}
	if !refuses(c.RelayRestrictions) && !refuses(c.RecipientRestrictions) {
		at.At("relay_restrictions").Errorf("nothing refuses to relay for strangers: one of relay_restrictions and recipient_restrictions needs " +
			"reject_unauth_destination, defer_unauth_destination, reject or defer before any permit")
	}
}

func (l configured) complain(at config.Section) {
	_, problems := ParseList(l.entries)
	for _, p := range problems {
		place := at.At(fmt.Sprintf("[%d]", p.Index))
		if p.Unenforced {
			place.Unenforced(weakens(l.entries[p.Index]), "%v", p.Err)
			continue
		}
		place.Errorf("%v", p.Err)
	}
}

// Lists parses the lists. What config check has complained of is left out.
func (c *Config) Lists() Lists {
	var l Lists
	for i, list := range []*List{&l.Relay, &l.Client, &l.Helo, &l.Sender, &l.Recipient, &l.Data} {
		*list, _ = ParseList(c.lists()[i].entries)
	}
	return l
}

// Tables are the access tables that the lists name, each once. Facts.Access is asked about them by their String.
func (c *Config) Tables() []table.Ref { return nil }

// Zones are the DNS lists that the lists name, each once.
func (c *Config) Zones() []dnsbl.Zone { return nil }

// Servers are the policy servers that the lists name.
func (c *Config) Servers() []delegation.Server { return nil }
