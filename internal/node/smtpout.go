// SPDX-License-Identifier: MIT

package node

import (
	"posthouse/auth"
	"posthouse/dkim"
	"posthouse/mail"
	"posthouse/smtpout"
	"posthouse/table"
)

// planSMTPOut opens what smtp-out works with.
func planSMTPOut(s *service, n *snapshot) (*way, error) {
	c := n.SMTPOut
	rules := &smtpout.Service{
		Hostname: c.Hostname, Mynetworks: n.networks(), Next: s.queue, Spool: s.spool(), Log: s.log,
	}
	f, err := s.newFacts(n, &c.Restrictions, usualPatience)
	if err != nil {
		return nil, err
	}
	rules.Facts = f
	rules.Filters = s.filters(c.Milters, c.Hostname, int64(c.MessageSizeLimit))
	if rules.Checks, err = n.openChecks(&c.Content); err != nil {
		return nil, err
	}
	rules.Lists = c.Restrictions.Lists()
	rules.Lists.Delimiter = c.RecipientDelimiter
	if err := n.openSecrets(rules); err != nil {
		return nil, err
	}
	r, err := s.newRoutes(n, nil)
	if err != nil {
		return nil, err
	}
	f.verify = r.verifier(nil).Verify
	return &way{rules: rules, routes: r}, nil
}

// openSecrets opens the password file, the table of senders and the DKIM keys.
func (n *snapshot) openSecrets(rules *smtpout.Service) error {
	passwords, err := auth.Open(*n.SMTPOut.Auth)
	if err != nil {
		return err
	}
	n.follow("passwords", passwords)
	rules.Passwords = passwords
	senders, err := n.openTable(n.SMTPOut.SenderLoginMaps)
	if err != nil {
		return err
	}
	if senders != nil {
		rules.Owns = owns(senders, n.SMTPOut.RecipientDelimiter)
	}
	if n.SMTPOut.DKIM == nil {
		return nil
	}
	signer, err := n.Signer()
	if err != nil {
		return err
	}
	n.follow("dkim keys", signer)
	rules.Signer = signer
	return nil
}

// Signer is smtp_out's; the section has dkim.
func (c *Cluster) Signer() (*dkim.Signer, error) {
	return dkim.Open(*c.SMTPOut.DKIM, c.document.Root().Dir())
}

// owns asks sender_login_maps. Patterns see whole addresses alone, with the quotes that they need: a login that is $1 of the
// address is one word.
func owns(t *table.Table, delimiter string) func(login string, from mail.Path) bool {
	return func(login string, from mail.Path) bool {
		view := t.View()
		whole, fixed := from.Local()+"@"+from.Domain(), table.Fixed(view)
		lookup := func(key string) (logins string, ok bool) {
			if key == whole {
				logins, _, ok = table.Address(view, whole, from.String())
			} else {
				logins, _, ok = fixed.Lookup(key)
			}
			return logins, ok
		}
		return auth.Owns(lookup, login, from.Local(), from.Domain(), delimiter)
	}
}
