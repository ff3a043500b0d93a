// SPDX-License-Identifier: MIT

package alias

import (
	"errors"

	"posthouse/mail"
	"posthouse/table"
)

// ErrLoop and ErrLimit are faults in the tables: the mail has to wait until somebody mends them.
var (
	ErrLoop  = errors.New("alias loop")
	ErrLimit = errors.New("alias expansion is too large")
)

// Limits of one expansion. Postfix has 1000 for both.
const (
	maxExpansions = 1000
	maxDepth      = 100
)

// Options are the tables. All may be nil.
type Options struct {
	Maps      *table.Table             // virtual_alias_maps
	Domains   *table.Table             // virtual_alias_domains; nil: the domains that are keys of Maps, as in Postfix
	Mailboxes *table.Table             // virtual_mailbox_domains: what has no alias in them may be a mailbox
	Delimiter string                   // recipient_delimiter: any of its characters begins an extension; "" for none
	Local     func(domain string) bool // domains in which a key without a domain counts; nil: in none
	// Postmaster is the domain of <postmaster>; "" leaves it as it is.
	Postmaster string
}

// Expander expands addresses. It may be used by several goroutines.
type Expander struct{ o Options }

// New makes an Expander.
func New(o Options) *Expander { return &Expander{o} }

// Snapshot is the tables as they are now.
func (e *Expander) Snapshot() *Snapshot {
	return &Snapshot{
		o: e.o, maps: view(e.o.Maps), domains: view(e.o.Domains), mailboxes: view(e.o.Mailboxes),
	}
}

func view(t *table.Table) table.View {
	if t == nil {
		return nil
	}
	return t.View()
}

// Snapshot is one state of the tables, which a transaction keeps from its first RCPT to the end.
type Snapshot struct {
	o                        Options
	maps, domains, mailboxes table.View
}

// IsAlias reports a virtual alias domain: all of its addresses are aliases.
func (s *Snapshot) IsAlias(domain string) bool {
	if s.domains != nil {
		return has(s.domains, domain)
	}
	return s.maps != nil && has(table.Fixed(s.maps), domain)
}

// IsMailbox reports a virtual mailbox domain.
func (s *Snapshot) IsMailbox(domain string) bool { return has(s.mailboxes, domain) }

// IsOurs reports a domain for which we are the final destination.
func (s *Snapshot) IsOurs(domain string) bool { return s.IsAlias(domain) || s.IsMailbox(domain) }

func has(v table.View, key string) bool {
	if v == nil || key == "" {
		return false
	}
	_, _, ok := v.Lookup(key)
	return ok
}

// Kind is what stands at the end of an expansion.
type Kind uint8

const (
	Foreign Kind = iota // in a domain that is not ours
	Mailbox             // in a mailbox domain, by no alias: the store knows whether it exists
	User                // a bare name in a table
	Discard             // /dev/null
	Dead                // nobody: an address without an alias in an alias domain, or no address at all
)

// Target is one end of an expansion.
type Target struct {
	To    mail.Path
	Kind  Kind
	Steps []string // the lines that led here, "virtual:12: a@x.test -> b@y.test"; none if the address stands for itself
	Why   string   // of a dead one
}

// Result is all ends of an expansion, without duplicates, in the order of the tables.
type Result struct {
	Targets   []Target // who gets it
	Dead      []Target // who would, if they existed
	Discards  []Target // the lines that say /dev/null
	Discarded bool     // there is one
}

// Unknown reports that the address leads to nobody and no discard: 550 5.1.1.
func (r Result) Unknown() bool { return len(r.Targets) == 0 && !r.Discarded }
