// SPDX-License-Identifier: MIT

package policy

import (
	"net/netip"
	"strings"

	"posthouse/mail"
)

// key is something to look up. One that is not whole is part of a name or an address: pattern tables do not see it.
type key struct {
	text  string
	whole bool
}

// nullKey stands for <> in tables (smtpd_null_access_lookup_key).
const nullKey = "<>"

// addressKeys are an address and the networks around it, cut at the octets of IPv4 and the colons of IPv6.
func addressKeys(a netip.Addr) []key {
	text, separator := a.WithZone("").String(), byte('.')
	if a.Is6() {
		separator = ':'
	}
	keys := []key{{text, true}}
	for at := strings.LastIndexByte(text, separator); at >= 0; at = strings.LastIndexByte(text, separator) {
		text = text[:at]
		keys = append(keys, key{text, false})
	}
	return keys
}

// nameKeys are a host name and the domains above it, top-level domain included (parent_domain_matches_subdomains has
// smtpd_access_maps by default). An address that stands for a name has none.
func nameKeys(name string) []key {
	if name == "" {
		return nil
	}
	keys := []key{{name, true}}
	if _, err := netip.ParseAddr(name); err != nil {
		keys = append(keys, parents(name)...)
	}
	return keys
}

func parents(name string) (keys []key) {
	for {
		// From the second octet on, as Postfix: the name may begin with a dot.
		dot := strings.IndexByte(name[min(1, len(name)):], '.')
		if dot < 0 || dot+2 >= len(name) {
			return keys
		}
		name = name[dot+2:]
		keys = append(keys, key{name, false})
	}
}

// pathKeys are user+extension@domain, user@domain, the domain and those above it, user+extension@ and user@ (access(5),
// mail_addr_find.c). Where quotes are needed both forms count: a pattern sees the quotes.
func pathKeys(p mail.Path, delimiter string) []key {
	if p.IsNull() {
		return []key{{nullKey, true}}
	}
	base, extended := split(p.Local(), delimiter)
	locals := []string{p.Local(), base}
	if !extended {
		locals = locals[:1]
	}
	var keys []key
	for i, local := range locals {
		keys = append(keys, both(local, p.Domain(), i == 0)...)
	}
	keys = append(keys, key{p.Domain(), false})
	keys = append(keys, parents(p.Domain())...)
	for _, local := range locals {
		keys = append(keys, both(local, "", false)...)
	}
	return keys
}

// both are an address as it is written and, if that differs, plain.
func both(local, domain string, whole bool) []key {
	plain := local + "@" + domain
	written := plain
	if p, err := mail.MakePath(local, "example.test"); err == nil {
		written = strings.TrimSuffix(p.String(), "example.test") + domain
	}
	if written == plain {
		return []key{{plain, whole}}
	}
	return []key{{written, whole}, {plain, false}}
}

// split cuts the extension off, never to nothing, and not off names that may look as if they had one (split_addr.c).
func split(local, delimiter string) (base string, extended bool) {
	at := strings.IndexAny(local, delimiter)
	lower := strings.ToLower(local)
	switch {
	case at <= 0 || lower == "postmaster" || lower == "mailer-daemon" || lower == "double-bounce":
		return local, false
	case strings.Contains(delimiter, "-") && (strings.HasPrefix(lower, "owner-") || strings.HasSuffix(lower, "-request")):
		return local, false
	}
	return local[:at], true
}
