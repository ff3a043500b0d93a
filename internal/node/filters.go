// SPDX-License-Identifier: MIT

package node

import (
	"reflect"

	"posthouse/config"
	"posthouse/milter"
	"posthouse/policy/content"
	"posthouse/smtpin"
	"posthouse/table"
)

// chain is the filters of one service and what they were made from.
type chain struct {
	configs  []milter.Config
	hostname string
	filters  *milter.Chain
}

// filters are a section's. What a reload has not changed goes on, and with it what is known of servers that failed.
func (s *service) filters(configs []milter.Config, hostname string, maxBody int64) *milter.Chain {
	if len(configs) == 0 {
		return nil
	}
	c := &s.standing.chain
	if c.filters == nil || c.hostname != hostname || !reflect.DeepEqual(c.configs, configs) {
		*c = chain{configs, hostname, milter.New(configs, milter.Options{
			Resolver: s.standing.names, Hostname: hostname, Version: "Posthouse", Spool: s.store, MaxBody: maxBody, Log: s.log,
		})}
	}
	return c.filters
}

// openChecks opens header_checks and its kin; nil if there are none.
func (n *snapshot) openChecks(c *smtpin.ContentConfig) (func() *content.Checks, error) {
	var all [4]*table.Table
	found := false
	for i, ref := range []table.Ref{c.HeaderChecks, c.MimeHeaderChecks, c.NestedHeaderChecks, c.BodyChecks} {
		t, err := n.openTable(ref)
		if err != nil {
			return nil, err
		}
		all[i], found = t, found || t != nil
	}
	if !found {
		return nil, nil
	}
	return func() *content.Checks {
		return &content.Checks{Header: viewOf(all[0]), Mime: viewOf(all[1]), Nested: viewOf(all[2]), Body: viewOf(all[3])}
	}, nil
}

func viewOf(t *table.Table) table.View {
	if t == nil {
		return nil
	}
	return t.View()
}

// checkContent opens header_checks and its kin.
func (c *Cluster) checkContent(at config.Section, t *smtpin.ContentConfig) {
	c.checkTable(at.At("header_checks"), t.HeaderChecks)
	c.checkTable(at.At("mime_header_checks"), t.MimeHeaderChecks)
	c.checkTable(at.At("nested_header_checks"), t.NestedHeaderChecks)
	c.checkTable(at.At("body_checks"), t.BodyChecks)
}
