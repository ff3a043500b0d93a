// SPDX-License-Identifier: MIT

package node

import (
	"posthouse/config"
	"posthouse/mail"
	"posthouse/table"
)

// checkAliases holds smtp-in's alias tables against what every domain owes the world (RFC 5321 4.5.1), and lists the lines
// that lead to nobody.
func (c *Cluster) checkAliases(at config.Section) {
	aliases, err := c.mxAliases(c.readTable)
	if err != nil {
		return // said of the tables themselves
	}
	now := aliases.Snapshot()
	warnOf(at.At("virtual_alias_maps"), now.DeadEnds())
	for _, p := range now.Postmasters() {
		at.At("virtual_alias_domains").Errorf("%s", p)
	}
	if c.SMTPIn.VirtualAliasDomains.IsZero() && c.SMTPIn.VirtualAliasMaps.IsZero() && c.SMTPIn.RelayDomains.IsZero() {
		return
	}
	to, err := mail.MakePath("postmaster", string(c.Config.Cluster))
	if err != nil {
		return
	}
	if !now.IsAlias(to.Domain()) && !c.inTable(c.SMTPIn.RelayDomains, to.Domain()) {
		at.Errorf("takes no mail for %s, where <postmaster> of every service goes: the cluster's domain belongs into virtual_alias_domains or relay_domains", to)
	}
}

// inTable reports a domain that is a key of a table.
func (c *Cluster) inTable(ref table.Ref, domain string) bool {
	t, err := c.readTable(ref)
	return err == nil && holds(t, domain)
}
