// SPDX-License-Identifier: MIT

package dkim

import (
	"strings"

	"posthouse/mail"
	"posthouse/table"
)

// signingTable is a SigningTable as it was at one time.
type signingTable struct {
	view     table.View
	wildcard bool // a refile: patterns against the whole address
}

// use is what a line of the SigningTable asks for.
type use struct {
	name     string // in the KeyTable
	identity string // for i=; "" for none
	where    string // the line
}

// uses are the lines that match an address, in order; only the first unless all is set.
func (s signingTable) uses(from mail.Path, all bool) []use {
	entries := s.matches(from)
	if !all && len(entries) > 1 {
		entries = entries[:1]
	}
	out := make([]use, 0, len(entries))
	for _, e := range entries {
		out = append(out, newUse(e, from.Domain()))
	}
	return out
}

func newUse(e table.Entry, domain string) use {
	words := strings.Fields(e.Value)
	u := use{where: e.Where}
	if len(words) > 0 {
		u.name = words[0]
	}
	if u.name == "%" {
		u.name = domain
	}
	if len(words) > 1 {
		u.identity = strings.ReplaceAll(words[1], "%", domain)
	}
	return u
}

// matches are the entries for an address. In a table with fixed keys these are, in this order: user@host, host, user@.parents,
// .parents, user@*, *.
func (s signingTable) matches(from mail.Path) []table.Entry {
	var out []table.Entry
	if s.wildcard {
		address := from.Local() + "@" + from.Domain()
		for pattern, e := range s.view.All() {
			if table.Wildcard(pattern, address) {
				out = append(out, e)
			}
		}
		return out
	}
	for _, key := range signingKeys(from) {
		if value, where, ok := s.view.Lookup(key); ok {
			out = append(out, table.Entry{Value: value, Where: where})
		}
	}
	return out
}

func signingKeys(from mail.Path) []string {
	user, host := from.Local()+"@", from.Domain()
	keys := []string{user + host, host}
	parents := parents(host)
	for _, p := range parents {
		keys = append(keys, user+p)
	}
	keys = append(keys, parents...)
	return append(keys, user+"*", "*")
}

// parents are ".example.test", ".test" of "a.example.test", and ".a.example.test" before them, as OpenDKIM has it.
func parents(host string) []string {
	out := []string{"." + host}
	for {
		_, rest, found := strings.Cut(host, ".")
		if !found {
			return out
		}
		out, host = append(out, "."+rest), rest
	}
}
