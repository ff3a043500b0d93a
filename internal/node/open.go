// SPDX-License-Identifier: MIT

package node

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"

	"posthouse/auth"
	"posthouse/config"
	"posthouse/delivery"
	"posthouse/dkim"
	"posthouse/relay"
	"posthouse/resolver"
	"posthouse/srs"
	"posthouse/table"
)

// check opens what these services of the node will open, so that what is missing or broken is said now and with its place. What
// has been complained of already is left out.
func (c *Cluster) check(root config.Section, services []string) {
	if slices.ContainsFunc(services, func(s string) bool { return isSMTP(s) && c.Self.Runs(s) }) { // a balancer decrypts nothing
		c.checkCertificates(root.At("tls"), c.TLS)
	}
	if at := root.At("resolver"); !at.Spoiled() {
		complain(at, second(resolver.Open(c.Resolver)))
	}
	c.checkDoors(root)
	for _, service := range services {
		if !c.has(service) || !c.Self.Runs(service) {
			continue
		}
		switch at := root.At(service); service {
		case SMTPIn:
			c.checkMX(at)
		case SMTPOut:
			c.checkSubmission(at)
		case Maildrop:
			c.checkMailboxes(at)
		case Balancer:
			c.Balancer.Check(at, c.document.Root().Dir())
		}
	}
}

func complain(at config.Section, err error) {
	if err != nil {
		at.Errorf("%v", err)
	}
}

// second is the error of a call of which no more is asked.
func second[T any](_ T, err error) error { return err }

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

func (c *Cluster) checkMX(at config.Section) {
	s := c.SMTPIn
	c.checkTLS(at, SMTPIn, s.TLS)
	c.checkLists(at, SMTPIn, &s.Restrictions)
	c.checkDelivery(at.At("delivery"), s.Delivery)
	if here := at.At("srs"); s.SRS != nil && !here.Spoiled() {
		r, err := srs.Open(*s.SRS)
		examine(here.At("secret_file"), r, err)
	}
	if c.Maildrop != nil { // smtp-in asks it too: what goes there does not leave us
		c.checkTable(c.document.Root().Under(c.Self.Override).At("maildrop.virtual_mailbox_domains"), c.Maildrop.VirtualMailboxDomains)
	}
	c.checkContent(at, &s.Content)
	c.checkAllowed(at.At("gate.allow"), s.Gate.Allow)
	c.checkTable(at.At("greylist.exceptions"), s.Greylist.Exceptions)
	c.checkTable(at.At("greylist.recipient_exceptions"), s.Greylist.RecipientExceptions)
	readable := c.checkTable(at.At("relay_domains"), s.RelayDomains)
	readable = c.checkTable(at.At("virtual_alias_domains"), s.VirtualAliasDomains) && readable
	readable = c.checkTable(at.At("virtual_alias_maps"), s.VirtualAliasMaps) && readable
	if readable {
		c.checkAliases(at)
	}
}

func (c *Cluster) checkSubmission(at config.Section) {
	s := c.SMTPOut
	c.checkTLS(at, SMTPOut, s.TLS)
	c.checkLists(at, SMTPOut, &s.Restrictions)
	c.checkDelivery(at.At("delivery"), s.Delivery)
	c.checkContent(at, &s.Content)
	c.checkTable(at.At("sender_login_maps"), s.SenderLoginMaps)
	if here := at.At("auth"); s.Auth != nil && !here.Spoiled() {
		users, err := auth.Open(*s.Auth)
		examine(here.At("passwd_file"), users, err)
	}
	if here := at.At("dkim"); s.DKIM != nil && !here.Spoiled() {
		signer, err := dkim.Open(*s.DKIM, c.document.Root().Dir())
		examine(here, signer, err)
	}
}

func (c *Cluster) checkMailboxes(at config.Section) {
	s := c.Maildrop
	c.checkTLS(at, Maildrop, s.TLS)
	c.checkLists(at, Maildrop, &s.Restrictions)
	c.checkDelivery(at.At("delivery"), s.Delivery)
	if s.Maildir != nil {
		checkFolder(at.At("maildir.root"), string(s.Maildir.Root))
	}
	readable := c.checkTable(at.At("virtual_mailbox_domains"), s.VirtualMailboxDomains)
	readable = c.checkTable(at.At("virtual_alias_maps"), s.VirtualAliasMaps) && readable
	if !readable {
		return
	}
	aliases, err := c.dropAliases(c.readTable)
	complain(at, err)
	if err == nil {
		warnOf(at.At("virtual_alias_maps"), aliases.Snapshot().DeadEnds())
	}
}

// checkFolder wants nothing else in the place of a folder, which is made when it is missing.
func checkFolder(at config.Section, path string) {
	if info, err := os.Stat(path); err == nil && !info.IsDir() {
		at.Errorf("%s is no folder", path)
	}
}

// examine complains of files that could not be opened, or passes on what they warn of.
func examine(at config.Section, opened interface{ Warnings() []string }, err error) {
	complain(at, err)
	if err == nil {
		warnOf(at, opened.Warnings())
	}
}

func warnOf(at config.Section, problems []string) {
	for _, p := range problems {
		at.Warnf("%s", p)
	}
}

func (c *Cluster) checkDelivery(at config.Section, d delivery.Config) {
	if here := at.At("tls_ca_file"); !here.Spoiled() {
		complain(here, second(rootsIn(d.TLSCAFile)))
	}
	if here := at.At("transport_maps"); c.checkTable(here, d.TransportMaps) {
		complain(here, c.checkTransport(d.TransportMaps))
	}
}

// checkTransport reads each next hop of a transport table. One with a $1 is known only with the address.
func (c *Cluster) checkTransport(ref table.Ref) error {
	t, err := c.readTable(ref)
	if t == nil {
		return err
	}
	var wrong []error
	for _, e := range t.View().All() {
		if _, err := relay.ParseRoute(e.Value); err != nil && !strings.Contains(e.Value, "$") {
			wrong = append(wrong, fmt.Errorf("%s: %w", e.Where, err))
		}
	}
	return errors.Join(wrong...)
}

// checkTable complains if a table cannot be read, and reports that it can.
func (c *Cluster) checkTable(at config.Section, ref table.Ref) bool {
	if at.Spoiled() {
		return false
	}
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
