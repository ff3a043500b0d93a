// SPDX-License-Identifier: MIT

package node

import (
	"context"

	"posthouse/auth"
	"posthouse/dkim"
	"posthouse/mail"
	"posthouse/smtpd"
	"posthouse/smtpout"
	"posthouse/table"
)

// submission is smtp-out while it is put together.
type submission struct {
	*service
	section *smtpout.Config
}

func (p *process) addSMTPOut() error {
	c := p.SMTPOut
	s := &submission{service: p.newService(SMTPOut, &c.Config, &c.Delivery, c.TLS), section: c}
	s.addParts(s.setup)
	return nil
}

func (s *submission) setup(ctx context.Context) (*routes, smtpd.Service, error) {
	r, err := s.start(ctx, nil)
	if err != nil {
		return nil, nil, err
	}
	res, err := s.resolver()
	if err != nil {
		return nil, nil, err
	}
	rules := &smtpout.Service{
		Hostname: s.config.Hostname, Mynetworks: s.networks(), Next: s.queue, Log: s.log,
		Facts: &facts{Mynetworks: s.networks(), Resolver: res},
	}
	rules.Relay, rules.Recipient = lists(s.section.RelayRestrictions, s.section.RecipientRestrictions)
	return r, rules, s.openSecrets(rules)
}

// openSecrets opens the password file, the table of senders and the DKIM keys.
func (s *submission) openSecrets(rules *smtpout.Service) error {
	passwords, err := auth.Open(*s.section.Auth)
	if err != nil {
		return err
	}
	s.watcher.Add("passwords", passwords.Paths(), func() error { _, err := passwords.Reload(); return err })
	rules.Passwords = passwords
	senders, err := s.openTable(s.section.SenderLoginMaps)
	if err != nil {
		return err
	}
	if senders != nil {
		rules.Owns = owns(senders)
	}
	if s.section.DKIM == nil {
		return nil
	}
	signer, err := dkim.Open(*s.section.DKIM, s.document.Root().Dir())
	if err != nil {
		return err
	}
	s.watcher.Add("dkim keys", signer.Paths(), func() error { _, err := signer.Reload(); return err })
	rules.Signer = signer
	return nil
}

// owns asks sender_login_maps.
func owns(t *table.Table) func(login string, from mail.Path) bool {
	return func(login string, from mail.Path) bool {
		view := t.View()
		lookup := func(key string) (string, bool) {
			logins, _, ok := view.Lookup(key)
			return logins, ok
		}
		return auth.Owns(lookup, login, from.Local(), from.Domain(), "")
	}
}
