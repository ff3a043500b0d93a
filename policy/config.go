// SPDX-License-Identifier: MIT

package policy

import (
	"fmt"

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
func (c *Config) SetDefaults() { *c = Config{RelayRestrictions: DefaultRelay()} }

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

func (l configured) parse() (List, []Problem) { return parseList(l.entries, l.stance.tableWord()) }

// tableWord is what a table without a word stands for in a list.
func (s stance) tableWord() string {
	switch s {
	case inClient:
		return "check_client_access"
	case inHelo:
		return "check_helo_access"
	case inSender:
		return "check_sender_access"
	case inData:
		return ""
	}
	return "check_recipient_access"
}

// Lists parses the lists. What config check has complained of is left out.
func (c *Config) Lists() Lists {
	var l Lists
	for i, list := range []*List{&l.Relay, &l.Client, &l.Helo, &l.Sender, &l.Recipient, &l.Data} {
		*list, _ = c.lists()[i].parse()
	}
	return l
}

// Tables are the access tables that the lists name, each once. Facts.Access is asked about them by their String.
func (c *Config) Tables() []table.Ref {
	return distinct(c, func(r rule) (ref table.Ref, ok bool) {
		if r.table != nil {
			ref = *r.table
		}
		return ref, r.table != nil
	})
}

// Zones are the DNS lists that the lists name, each once.
func (c *Config) Zones() []dnsbl.Zone {
	return distinct(c, func(r rule) (zone dnsbl.Zone, ok bool) {
		if r.dns != nil {
			zone = r.dns.zone
		}
		return zone, r.dns != nil
	})
}

// Servers are the policy servers that the lists name, each address once.
func (c *Config) Servers() []delegation.Server {
	return distinct(c, func(r rule) (s delegation.Server, ok bool) {
		if r.server != nil {
			s = *r.server
		}
		return s, r.server != nil
	})
}

// distinct are what the rules of all lists name, by its text.
func distinct[T any](c *Config, of func(rule) (T, bool)) (out []T) {
	seen := map[string]bool{}
	for _, l := range c.lists() {
		rules, _ := l.parse()
		for _, r := range rules {
			v, ok := of(r)
			if text := fmt.Sprint(v); ok && !seen[text] {
				seen[text] = true
				out = append(out, v)
			}
		}
	}
	return out
}
