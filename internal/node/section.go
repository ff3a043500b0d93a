// SPDX-License-Identifier: MIT

package node

import (
	"posthouse/certs"
	"posthouse/delivery"
	"posthouse/internal/admin"
	"posthouse/smtpd"
)

// section is what the sections of all SMTP services have in common.
type section struct {
	*smtpd.Config
	delivery  *delivery.Config
	tls       *certs.Config // the service's own; nil: the node's
	admin     *admin.Config // likewise
	delimiter string
}

// sectionOf is a service's, which is in the file.
func (c *Config) sectionOf(service string) section {
	switch service {
	case SMTPIn:
		s := c.SMTPIn
		return section{&s.Config, &s.Delivery, s.TLS, s.Admin, s.RecipientDelimiter}
	case SMTPOut:
		s := c.SMTPOut
		return section{&s.Config, &s.Delivery, s.TLS, s.Admin, s.RecipientDelimiter}
	}
	s := c.Maildrop
	return section{&s.Config, &s.Delivery, s.TLS, s.Admin, s.RecipientDelimiter}
}

// isSMTP reports a service that takes mail, and has a queue.
func isSMTP(service string) bool {
	return service == SMTPIn || service == SMTPOut || service == Maildrop
}
