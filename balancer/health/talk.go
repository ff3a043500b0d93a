// SPDX-License-Identifier: MIT

package health

import (
	"slices"
	"strings"
)

// talk is how a protocol is spoken, as far as a check goes.
type talk struct {
	open     func(d *dialogue) (offers []string, err error) // greeting, name and capabilities
	startTLS string                                         // the word among the capabilities, and the command
	upgrade  func(d *dialogue) error                        // asks for TLS
	reopen   func(d *dialogue) (offers []string, err error) // in TLS
	bye      string
}

// talkOf is nil for tcp, which says nothing.
func talkOf(protocol string) *talk {
	switch protocol {
	case "smtp":
		return smtp("EHLO")
	case "lmtp":
		return smtp("LHLO")
	case "imap":
		return imap()
	case "pop3":
		return pop3()
	case "sieve":
		return sieve()
	}
	return nil
}

// has reports that TLS is offered.
func (t *talk) has(offers []string) bool {
	return slices.ContainsFunc(offers, func(o string) bool { return strings.EqualFold(o, t.startTLS) })
}

// both is the greeting, and then the capabilities.
func both(greeting, features func(d *dialogue) ([]string, error)) func(d *dialogue) ([]string, error) {
	return func(d *dialogue) ([]string, error) {
		if _, err := greeting(d); err != nil {
			return nil, err
		}
		return features(d)
	}
}
