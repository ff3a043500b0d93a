// SPDX-License-Identifier: MIT

package node

import (
	"errors"

	"posthouse/auth"
	"posthouse/certs"
	"posthouse/config"
	"posthouse/delivery"
	"posthouse/dkim"
	"posthouse/resolver"
	"posthouse/srs"
	"posthouse/table"
)

// check opens what this node's services will open, so that what is missing or broken is said now and with its place, and
// makes the checks that need the tables' contents.
func (c *Cluster) check(at config.Section) {
	c.checkCertificates(at.At("tls"), c.TLS)
	if _, err := resolver.Open(c.Resolver); err != nil {
		at.At("resolver").Errorf("%v", err)
	}
	for _, service := range c.Self.Services {
		switch {
		case service == SMTPIn && c.SMTPIn != nil:
			c.checkMX(at.At(SMTPIn))
		case service == SMTPOut && c.SMTPOut != nil:
			c.checkSubmission(at.At(SMTPOut))
		case service == Maildrop && c.Maildrop != nil:
			c.checkMailboxes(at.At(Maildrop))
		}
	}
}

func (c *Cluster) checkMX(at config.Section) {
	s := c.SMTPIn
	c.checkDelivery(at.At("delivery"), s.Delivery)
	if s.TLS != nil {
		c.checkCertificates(at.At("tls"), *s.TLS)
	}
	c.checkTable(at.At("relay_domains"), s.RelayDomains)
	readable := c.checkTable(at.At("virtual_alias_domains"), s.VirtualAliasDomains)
	readable = c.checkTable(at.At("virtual_alias_maps"), s.VirtualAliasMaps) && readable
	if s.SRS != nil {
		if _, err := srs.Open(*s.SRS); err != nil {
			at.At("srs").Errorf("%v", err)
		}
	}
	if !readable {
		return
	}
	aliases, err := c.mxAliases(c.readTable)
	if err != nil {
		at.Errorf("%v", err)
		return
	}
	for _, dead := range aliases.Snapshot().Check() {
		at.At("virtual_alias_maps").Warnf("%s", dead)
	}
}

func (c *Cluster) checkSubmission(at config.Section) {
	s := c.SMTPOut
	c.checkDelivery(at.At("delivery"), s.Delivery)
	if s.TLS != nil {
		c.checkCertificates(at.At("tls"), *s.TLS)
	}
	c.checkTable(at.At("sender_login_maps"), s.SenderLoginMaps)
	if s.Auth != nil {
		if _, err := auth.Open(*s.Auth); err != nil {
			at.At("auth.passwd_file").Errorf("%v", err)
		}
	}
	if s.DKIM != nil {
		if _, err := dkim.Open(*s.DKIM, c.document.Root().Dir()); err != nil {
			at.At("dkim").Errorf("%v", err)
		}
	}
}

func (c *Cluster) checkMailboxes(at config.Section) {
	s := c.Maildrop
	c.checkDelivery(at.At("delivery"), s.Delivery)
	if s.TLS != nil {
		c.checkCertificates(at.At("tls"), *s.TLS)
	}
	c.checkTable(at.At("virtual_mailbox_domains"), s.VirtualMailboxDomains)
	c.checkTable(at.At("virtual_alias_maps"), s.VirtualAliasMaps)
}

func (c *Cluster) checkDelivery(at config.Section, d delivery.Config) {
	c.checkTable(at.At("transport_maps"), d.TransportMaps)
	if _, err := rootsIn(d.TLSCAFile); err != nil {
		at.At("tls_ca_file").Errorf("%v", err)
	}
}

// checkTable complains if a table cannot be read, and reports that it can.
func (c *Cluster) checkTable(at config.Section, ref table.Ref) bool {
	t, err := c.readTable(ref)
	if err != nil {
		at.Errorf("%v", err)
		return false
	}
	if t != nil {
		for _, w := range t.Warnings() {
			at.Warnf("%s", w.String())
		}
	}
	return true
}

func (c *Cluster) checkCertificates(at config.Section, t certs.Config) {
	if _, err := certs.Open(t); err != nil && !errors.Is(err, certs.ErrNone) {
		at.Errorf("%v", err)
	}
}
