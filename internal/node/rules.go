// SPDX-License-Identifier: MIT

package node

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"posthouse/config"
	"posthouse/policy"
	"posthouse/table"
)

// newFacts opens what the restriction lists of a section ask.
func (s *service) newFacts(n *snapshot, lists *policy.Config, patience time.Duration) (*facts, error) {
	f := &facts{
		Mynetworks: n.networks(), Resolver: n.names, tables: make(map[string]*table.Table),
		lists: s.standing.lists, patience: patience, servers: s.standing.servers,
	}
	for _, ref := range lists.Tables() {
		t, err := n.openTable(ref)
		if err != nil {
			return nil, err
		}
		f.tables[ref.String()] = t
	}
	return f, nil
}

// checkLists opens the tables that the restriction lists of a section name, each at the entry that does.
func (c *Cluster) checkLists(at config.Section, service string, lists *policy.Config) {
	for _, ref := range lists.Tables() {
		if here := entryOf(at, lists, ref.String()); c.checkTable(here, ref) {
			c.checkActions(here, ref)
		}
	}
	if service != SMTPIn && asksGreylist(lists) {
		entryOf(at, lists, "check_greylist").Errorf("check_greylist is for smtp_in: clients of %s come back by themselves", Label(service))
	}
}

// checkActions reads each action of an access table. One with a $1 is known only with the key.
func (c *Cluster) checkActions(at config.Section, ref table.Ref) {
	t, err := c.readTable(ref)
	if err != nil || t == nil {
		return
	}
	for _, e := range t.View().All() {
		if err := policy.CheckAction(e.Value); err != nil && !strings.Contains(e.Value, "$") {
			at.Errorf("%s: %v", e.Where, err)
		}
	}
}

// entryOf is the first entry of the restriction lists that has a word.
func entryOf(at config.Section, lists *policy.Config, word string) config.Section {
	for _, l := range []struct {
		key     string
		entries []string
	}{
		{"relay_restrictions", lists.RelayRestrictions}, {"client_restrictions", lists.ClientRestrictions},
		{"helo_restrictions", lists.HeloRestrictions}, {"sender_restrictions", lists.SenderRestrictions},
		{"recipient_restrictions", lists.RecipientRestrictions}, {"data_restrictions", lists.DataRestrictions},
	} {
		if i := slices.IndexFunc(l.entries, func(e string) bool { return strings.Contains(e, word) }); i >= 0 {
			return at.At(fmt.Sprintf("%s[%d]", l.key, i))
		}
	}
	return at
}
