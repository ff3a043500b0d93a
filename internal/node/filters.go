// SPDX-License-Identifier: MIT

package node

import (
	"reflect"

	"posthouse/config"
	"posthouse/mail"
	"posthouse/milter"
	"posthouse/policy/content"
	"posthouse/table"
)

// chain is the filters of one service and what they were made from.
type chain struct {
	configs  []milter.Config
	hostname string
	maxBody  int64
	filters  *milter.Chain
}

// filters are a section's. What a reload has not changed goes on, and with it what is known of servers that failed.
func (s *service) filters(configs []milter.Config, hostname string, maxBody int64) *milter.Chain {
	if len(configs) == 0 {
		return nil
	}
	c := &s.standing.chain
	if c.filters == nil || c.hostname != hostname || c.maxBody != maxBody || !reflect.DeepEqual(c.configs, configs) {
		*c = chain{configs, hostname, maxBody, milter.New(configs, milter.Options{
			Resolver: s.standing.names, Hostname: hostname, Version: "Posthouse", Spool: s.spool(), MaxBody: maxBody, Log: s.log,
			Failed: func(milter string) { s.standing.failures.WithLabelValues(milter).Inc() },
		})}
	}
	return c.filters
}

// spool holds bodies that are written anew: the queue's own, so that it takes them over without a copy.
func (s *service) spool() mail.Spool {
	if s.store == nil {
		return inMemory{}
	}
	return s.store
}

// inMemory is the Spool of a service that does not run.
type inMemory struct{}

func (inMemory) Create() (mail.Draft, error) { return &memoryDraft{}, nil }

type memoryDraft struct{ mail.Bytes }

func (d *memoryDraft) Write(p []byte) (int, error) {
	d.Bytes = append(d.Bytes, p...)
	return len(p), nil
}

func (d *memoryDraft) Discard() {}

// openChecks opens header_checks and its kin; nil if there are none.
func (n *snapshot) openChecks(c *content.Config) (func() *content.Checks, error) {
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
func (c *Cluster) checkContent(at config.Section, t *content.Config) {
	for _, checks := range []struct {
		key string
		ref table.Ref
	}{
		{"header_checks", t.HeaderChecks}, {"mime_header_checks", t.MimeHeaderChecks},
		{"nested_header_checks", t.NestedHeaderChecks}, {"body_checks", t.BodyChecks},
	} {
		here := at.At(checks.key)
		if !c.checkTable(here, checks.ref) {
			continue
		}
		opened, err := c.readTable(checks.ref)
		if opened == nil || err != nil {
			continue
		}
		for _, p := range content.Problems(opened.View(), checks.key != "body_checks") {
			here.Errorf("%s", p)
		}
	}
}
