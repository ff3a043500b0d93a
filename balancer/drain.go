// SPDX-License-Identifier: MIT

package balancer

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"posthouse/internal/admin"
	"posthouse/internal/durable"
	"posthouse/upstream"
)

// Arguments of balancer.status, balancer.drain and balancer.undrain.
type Arguments struct {
	Service string `json:"service,omitempty"` // "": all
	Server  string `json:"server,omitempty"`  // "host:port" as configured, a host, or one address. Status: "" is all
}

// Changed is one server, or one address of it, that was drained or brought back.
type Changed struct {
	Service     string         `json:"service"`
	Server      string         `json:"server"`
	Address     netip.AddrPort `json:"address,omitzero"`
	Drained     bool           `json:"drained"`
	Connections int            `json:"connections"` // that it still has
}

// drains is what operators have taken out, by service: names of servers as configured, or single addresses. It survives a
// restart: who takes a machine out for repair does not want it back because of an upgrade.
type drains struct {
	path string // "": it does not survive

	mu  sync.Mutex
	set map[string][]string
}

// openDrains reads what was drained before.
func openDrains(dir string) (*drains, error) {
	d := &drains{set: make(map[string][]string)}
	if dir == "" {
		return d, nil
	}
	d.path = filepath.Join(dir, "drained.json")
	text, err := os.ReadFile(d.path)
	if errors.Is(err, fs.ErrNotExist) {
		return d, nil
	}
	if err == nil {
		err = json.Unmarshal(text, &d.set)
	}
	if err != nil {
		return nil, fmt.Errorf("what is drained, in %s, cannot be read (it may be removed; then nothing is): %w", d.path, err)
	}
	return d, nil
}

// apply drains those members that are to be, and no others.
func (d *drains) apply(service string, members []*upstream.Member) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, m := range members {
		m.Drain(d.covers(service, m))
	}
}

func (d *drains) covers(service string, m *upstream.Member) bool {
	for _, e := range d.set[service] {
		if e == m.Name() || m.Addr().IsValid() && e == m.Addr().String() {
			return true
		}
	}
	return false
}

// change takes a target in or out, and reports what is wrong with writing that down.
func (d *drains) change(service string, members []*upstream.Member, t target, on bool) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	list := d.set[service]
	if on {
		list = slices.Concat(list, t.entries)
	} else {
		list = without(list, members, t)
	}
	slices.Sort(list)
	if d.set[service] = slices.Compact(list); len(list) == 0 {
		delete(d.set, service)
	}
	return d.save()
}

// without is a list without a target. If that is one address of a server that is drained as a whole, its others stay.
func without(list []string, members []*upstream.Member, t target) []string {
	var out []string
	aliases := t.aliases()
	for _, e := range list {
		switch {
		case slices.Contains(aliases, e):
		case slices.ContainsFunc(t.members, func(m *upstream.Member) bool { return m.Name() == e }):
			for _, m := range members {
				if m.Name() == e && !slices.Contains(t.members, m) {
					out = append(out, m.Addr().String())
				}
			}
		default:
			out = append(out, e)
		}
	}
	return out
}

func (d *drains) save() error {
	if d.path == "" {
		return nil
	}
	text, err := json.MarshalIndent(d.set, "", "  ")
	if err == nil {
		err = durable.MkdirAll(durable.OS, filepath.Dir(d.path), 0o700)
	}
	if err == nil {
		err = durable.WriteFile(durable.OS, d.path, append(text, '\n'), 0o600)
	}
	if err != nil {
		return fmt.Errorf("it is done, but will be forgotten at a restart: %w", err)
	}
	return nil
}

// list is the set, each server behind its service and a line break, which no name has.
func (d *drains) list() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	var out []string
	for _, service := range slices.Sorted(maps.Keys(d.set)) {
		for _, e := range d.set[service] {
			out = append(out, service+"\n"+e)
		}
	}
	return out
}

// replace puts a list in the place of the set.
func (d *drains) replace(lines []string) error {
	set := make(map[string][]string)
	for _, l := range lines {
		service, server, ok := strings.Cut(l, "\n")
		if !ok {
			return fmt.Errorf("%q does not name a service and a server", l)
		}
		set[service] = append(set[service], server)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.set = set
	return d.save()
}

// Drained is what has been drained, in words for SetDrained alone.
func (b *Balancer) Drained() []string { return b.drains.list() }

// SetDrained drains what another process's Drained has named, and nothing else.
func (b *Balancer) SetDrained(drained []string) error {
	b.turn.Lock()
	defer b.turn.Unlock()
	err := b.drains.replace(drained)
	for _, w := range b.ways() {
		b.drains.apply(w.service.name, w.group.Members())
	}
	return err
}

// drain is the handler of balancer.drain and balancer.undrain.
func (b *Balancer) drain(on bool) admin.Handler {
	return func(_ context.Context, raw json.RawMessage, reply func(any) error) error {
		var args Arguments
		if err := json.Unmarshal(raw, &args); err != nil {
			return fmt.Errorf("arguments: %w", err)
		}
		b.turn.Lock()
		changed, err := b.drainServer(args, on)
		b.turn.Unlock()
		for _, c := range changed {
			if err := reply(c); err != nil {
				return err
			}
		}
		return err
	}
}

// drainServer drains a server, or brings it back, in one service or all.
func (b *Balancer) drainServer(args Arguments, on bool) ([]Changed, error) {
	ways, err := b.waysOf(args.Service)
	if err != nil {
		return nil, err
	}
	var changed []Changed
	var failed []error
	found := false
	for _, w := range ways {
		t := w.find(args.Server)
		if len(t.entries) == 0 {
			continue
		}
		found = true
		members := w.group.Members()
		failed = append(failed, b.drains.change(w.service.name, members, t, on))
		b.drains.apply(w.service.name, members)
		for _, m := range t.members {
			changed = append(changed, Changed{w.service.name, m.Name(), m.Addr(), on, m.Status().Conns})
		}
		b.log.Info(word(on), "balanced", w.service.name, "server", args.Server)
	}
	if !found {
		return nil, unknownServer(args.Server, ways)
	}
	return changed, errors.Join(failed...)
}

func word(drained bool) string {
	if drained {
		return "drained: it gets no new connections"
	}
	return "no longer drained"
}

// target is what an operator named.
type target struct {
	whole   bool     // servers, not single addresses
	entries []string // for drains
	members []*upstream.Member
}

// aliases are all entries under which the target may be drained.
func (t target) aliases() []string {
	out := slices.Clone(t.entries)
	for _, m := range t.members {
		if m.Addr().IsValid() {
			out = append(out, m.Addr().String())
		}
	}
	return out
}

// find looks for a server: by what stands in the cluster file, then by address.
func (w *way) find(server string) target {
	server = strings.TrimPrefix(server, "inet:")
	t := target{whole: true}
	for _, u := range w.Upstream {
		name := u.Address.String()
		if strings.EqualFold(server, name) || u.Address.Host != "" && strings.EqualFold(server, u.Address.Host) || server == u.Address.Path && server != "" {
			t.entries = append(t.entries, name)
		}
	}
	members := w.group.Members()
	if len(t.entries) > 0 {
		t.members = slices.DeleteFunc(members, func(m *upstream.Member) bool { return !slices.Contains(t.entries, m.Name()) })
		return t
	}
	t.whole = false
	for _, m := range members {
		if a := m.Addr(); a.IsValid() && (server == a.String() || server == a.Addr().String()) {
			t.entries, t.members = append(t.entries, a.String()), append(t.members, m)
		}
	}
	return t
}

// unknownServer lists what there is.
func unknownServer(server string, ways []*way) error {
	var b strings.Builder
	for _, w := range ways {
		for _, u := range w.Upstream {
			fmt.Fprintf(&b, "\n  %s: %s", w.service.name, u.Address)
			for _, m := range w.group.Members() {
				if a := m.Addr(); m.Name() == u.Address.String() && a.IsValid() && a.String() != m.Name() {
					fmt.Fprintf(&b, " %s", a)
				}
			}
		}
	}
	if server == "" {
		return fmt.Errorf("which server? There are:%s", &b)
	}
	return fmt.Errorf("no server %q; there are:%s", server, &b)
}
