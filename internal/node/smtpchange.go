// SPDX-License-Identifier: MIT

package node

import (
	"fmt"
	"slices"

	"posthouse/certs"
	"posthouse/internal/admin"
	"posthouse/internal/listen"
)

// smtpChange puts another way in force.
type smtpChange struct {
	*service
	next *way
}

func (s *service) plan(n *snapshot) (change, error) {
	if !n.has(s.name) {
		return nil, fmt.Errorf("%s runs, and its section %s is gone from the file", s.label, s.name)
	}
	w, err := s.open(n)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", s.label, err)
	}
	return &smtpChange{s, w}, nil
}

func (c *smtpChange) try() error {
	if err := c.server.Reload(c.serverOptions(c.next)); err != nil {
		return fmt.Errorf("%s: %w", c.label, err)
	}
	return nil
}

// undo cannot fail: what was in force is good.
func (c *smtpChange) undo() { _ = c.server.Reload(c.serverOptions(c.way.Load())) }

func (c *smtpChange) take() {
	c.service.take(c.next)
	c.manager.Reload(*c.next.delivery, c.next.Hostname)
}

func (c *smtpChange) discard() { _ = c.next.routes.close() }

func (s *service) restart(old, next *Cluster, differ func(setting string, a, b any)) {
	a, b := old.sectionOf(s.name), next.sectionOf(s.name)
	differ(s.name+".listen", doors(a.Listen), doors(b.Listen))
	differ(s.name+".queue_minfree", a.QueueMinFree, b.QueueMinFree)
	differ(s.name+".admin.listen", a.admin, b.admin)
}

func (s *service) admin(c *Cluster) *admin.Config { return c.sectionOf(s.name).admin }

// doors are the listeners without their certificates, which follow a reload.
func doors(listeners []listen.Config) []listen.Config {
	out := slices.Clone(listeners)
	for i := range out {
		out[i].Certs = certs.Config{}
	}
	return out
}
