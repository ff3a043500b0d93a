// SPDX-License-Identifier: MIT

package node

import "posthouse/mail"

// destinationOf is a service's fairness key: the domain, and in maildrop the user, so that one user's full mailbox delays
// nobody else. A user is user@domain; mail that maildrop sends on has the domain alone behind the @ as well.
func destinationOf(service string) func(mail.Path) string {
	if service == Maildrop {
		return mail.Path.String
	}
	return mail.Path.Domain
}
