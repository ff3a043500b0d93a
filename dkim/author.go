// SPDX-License-Identifier: MIT

package dkim

import (
	"errors"

	"posthouse/mail"
)

// ErrAuthor is a header of which nobody can say who wrote it.
var ErrAuthor = errors.New("not exactly one From field with an address that can be read")

// Author is the domain of the From field, which signatures and DMARC are about.
func Author(h mail.Header) (domain string, err error) {
	p, ok := sender(h)
	if !ok || p.Domain() == "" {
		return "", ErrAuthor
	}
	return p.Domain(), nil
}
