// SPDX-License-Identifier: MIT

package node

import (
	"context"
	"reflect"

	"posthouse/table"
)

// reload reads the cluster file anew, at SIGHUP. Everything that it names is opened before anything changes: a file with
// one mistake leaves all services as they are. Connections keep what they began with.
func (p *process) reload(context.Context) error {
	next, changes, err := p.planAll()
	if err != nil {
		return err
	}
	for i, c := range changes {
		if err := c.try(); err != nil {
			for _, earlier := range changes[:i] {
				earlier.undo()
			}
			discardAll(changes)
			return err
		}
	}
	if settings := p.needRestart(next); len(settings) > 0 {
		p.Log.Warn("changed in the cluster file, but not in force before a restart", "settings", settings)
	}
	for _, c := range changes {
		c.take()
	}
	p.current = next
	p.watch(next.watcher)
	return nil
}

// planAll reads the file and opens what it names for each running service.
func (p *process) planAll() (*snapshot, []change, error) {
	cluster, _, err := Load(p.current.File, string(p.current.Self.Host), p.Services...)
	if err != nil {
		return nil, nil, err
	}
	cluster.keepDovecot(p.current.Cluster)
	if err := cluster.enforceable(p.Options); err != nil {
		return nil, nil, err
	}
	next, err := p.newSnapshot(cluster)
	if err != nil {
		return nil, nil, err
	}
	var changes []change
	for _, r := range p.services {
		c, err := r.plan(next)
		if err != nil {
			discardAll(changes)
			return nil, nil, err
		}
		changes = append(changes, c)
	}
	return next, changes, nil
}

func discardAll(changes []change) {
	for _, c := range changes {
		c.discard()
	}
}

// needRestart names the settings that are read at the start alone and differ from what they were then.
func (p *process) needRestart(next *snapshot) []string {
	var out []string
	old := p.first
	differ := func(setting string, a, b any) {
		if !reflect.DeepEqual(a, b) {
			out = append(out, setting)
		}
	}
	differ("nodes", places(old.Nodes), places(next.Nodes))
	differ("data_dir", old.DataDir, next.DataDir)
	differ("admin.listen", old.Admin, next.Admin)
	for _, r := range p.services {
		r.restart(old, next.Cluster, differ)
	}
	return out
}

// places are the nodes without their overrides, which are places in the file; what they change shows in the sections.
func places(nodes []Node) []Node {
	out := make([]Node, len(nodes))
	for i, n := range nodes {
		out[i] = Node{Host: n.Host, Site: n.Site, Services: n.Services}
	}
	return out
}

// watch has the files of another snapshot looked at from now on.
func (p *process) watch(w *table.Watcher) {
	select {
	case <-p.watchers:
	default:
	}
	p.watchers <- w
}

// follow looks at the files of the snapshot in force.
func (p *process) follow(stop, _ context.Context) error {
	select {
	case <-stop.Done():
	case w := <-p.watchers:
		for w != nil {
			w = p.followUntil(stop, w)
		}
	}
	return nil
}

// followUntil runs one watcher until there is another, which it returns; nil at the end.
func (p *process) followUntil(stop context.Context, w *table.Watcher) (next *table.Watcher) {
	ctx, cancel := context.WithCancel(stop)
	ended := make(chan struct{})
	go func() { defer close(ended); w.Run(ctx) }()
	select {
	case <-stop.Done():
	case next = <-p.watchers:
	}
	cancel()
	<-ended
	return next
}
