// SPDX-License-Identifier: MIT

package greylist

import (
	"net/netip"
	"strings"

	"posthouse/mail"
	"posthouse/table"
)

// settings are what can change while a list is open.
type settings struct {
	Config
	clients, recipients *table.Table
}

// network is what of a client's address counts.
func (s *settings) network(client netip.Addr) netip.Prefix {
	bits := s.IPv6Prefix
	if client.Is4() {
		bits = s.IPv4Prefix
	}
	p, _ := client.Prefix(bits)
	return p
}

// excepted is why a client or a recipient is never asked to wait, "" if it is.
func (s *settings) excepted(client netip.Addr, name string, to mail.Path) string {
	switch {
	case s.clients != nil && exceptedClient(s.clients.View(), client, strings.ToLower(name)):
		return ExceptedClient
	case s.recipients != nil && exceptedRecipient(s.recipients.View(), to):
		return ExceptedRecipient
	}
	return ""
}

// exceptedClient looks for the address, the networks 192.0.2, 192.0 and 192 around it, the name and the domains above.
// What is found says nothing more: to be in the table is enough.
func exceptedClient(v table.View, client netip.Addr, name string) bool {
	text := client.String()
	if has(v, text) || name != "" && (has(v, name) || hasParent(v, name)) {
		return true
	}
	if !client.Is4() {
		return false
	}
	for dot := strings.LastIndexByte(text, '.'); dot > 0; dot = strings.LastIndexByte(text, '.') {
		text = text[:dot]
		if has(table.Fixed(v), text) {
			return true
		}
	}
	return false
}

// exceptedRecipient looks for user+ext@domain, user@domain, user@, the domain and those above.
func exceptedRecipient(v table.View, to mail.Path) bool {
	if _, _, ok := table.Address(v, to.Local()+"@"+to.Domain(), to.String()); ok {
		return true
	}
	user, _, _ := strings.Cut(to.Local(), "+")
	fixed := table.Fixed(v)
	return has(fixed, user+"@"+to.Domain()) || has(fixed, user+"@") || has(fixed, to.Domain()) || hasParent(v, to.Domain())
}

func hasParent(v table.View, domain string) bool {
	v = table.Fixed(v)
	for {
		_, parent, ok := strings.Cut(domain, ".")
		if !ok {
			return false
		}
		if has(v, parent) {
			return true
		}
		domain = parent
	}
}

func has(v table.View, key string) bool {
	_, _, ok := v.Lookup(key)
	return ok
}
