// SPDX-License-Identifier: MIT

package node

import (
	"log/slog"
	"net/netip"
	"time"

	"posthouse/config"
	"posthouse/resolver"
	"posthouse/table"
)

// watchInterval is how often the files that a cluster file names are looked at.
const watchInterval = 2 * time.Second

// snapshot is one reading of the cluster file, with what the services share by it. It stays as it was read: a reload makes
// another, and what began with this one ends with it. Tables, certificates and secrets are followed while it is in force.
type snapshot struct {
	*Cluster
	log     *slog.Logger
	outside bool
	names   resolver.Resolver
	watcher *table.Watcher
}

// newSnapshot opens what all services need.
func (p *process) newSnapshot(c *Cluster) (*snapshot, error) {
	names, err := resolver.Open(c.Resolver)
	if err != nil {
		return nil, err
	}
	complain := func(err error) { p.Log.Error("not taken over; the last good one stays in force", "error", err) }
	return &snapshot{Cluster: c, log: p.Log, outside: p.Outside, names: names, watcher: table.NewWatcher(watchInterval, complain)}, nil
}

// openTable opens a table, nil if none is named, and keeps it up to date.
func (n *snapshot) openTable(ref table.Ref) (*table.Table, error) {
	t, err := n.readTable(ref)
	if err != nil || t == nil {
		return nil, err
	}
	for _, w := range t.Warnings() {
		n.log.Warn("table", "complaint", w.String())
	}
	n.watcher.AddTable(t)
	return t, nil
}

// follow keeps something made of files up to date.
func (n *snapshot) follow(what string, files interface {
	Paths() []string
	Reload() (bool, error)
}) {
	n.watcher.Add(what, files.Paths(), func() error { _, err := files.Reload(); return err })
}

// networks are mynetworks as prefixes.
func (c *Config) networks() []netip.Prefix { return prefixes(c.Mynetworks) }

func prefixes(networks []config.Network) []netip.Prefix {
	out := make([]netip.Prefix, len(networks))
	for i, n := range networks {
		out[i] = n.Prefix
	}
	return out
}
