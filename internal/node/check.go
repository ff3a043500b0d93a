// SPDX-License-Identifier: MIT

package node

import (
	"fmt"
	"slices"

	"posthouse/config"
)

// Validate makes the checks that hold for every node alike.
func (c *Config) Validate(at config.Section) {
	if c.Cluster == "" {
		at.Errorf("needs cluster: the domain of the cluster, for postmaster")
	}
	if c.DataDir == "" {
		at.At("data_dir").Errorf("is the folder of queues and control sockets, and cannot be empty")
	}
	if len(c.Nodes) == 0 {
		at.At("nodes").Errorf("needs at least one {host: ..., services: [...]}")
	}
	seen := map[config.Domain]bool{}
	for i, n := range c.Nodes {
		here := at.At(fmt.Sprintf("nodes[%d]", i))
		switch {
		case n.Host == "":
			here.Errorf("needs host: the machine's host name")
		case seen[n.Host]:
			here.At("host").Errorf("node %s stands here a second time", n.Host)
		}
		seen[n.Host] = true
		c.checkNode(here, n)
	}
	c.checkSizes(at)
}

func (c *Config) checkNode(at config.Section, n Node) {
	if len(n.Services) == 0 {
		at.At("services").Errorf("node %s runs no services: say services: [smtp_in, ...]", n.Host)
	}
	for i, service := range n.Services {
		here := at.At(fmt.Sprintf("services[%d]", i))
		switch {
		case !known(service):
			here.Errorf("unknown service %q: use smtp_in, smtp_out, maildrop or balancer", service)
		case slices.Contains(n.Services[:i], service):
			here.Errorf("service %s stands here a second time", service)
		case !c.has(service) && !n.Override.Has(service):
			here.Errorf("the file has no section %s", service)
		}
	}
	for _, key := range []string{"cluster", "nodes"} {
		if n.Override.Has(key) {
			n.Override.At(key).Errorf("is the same for all nodes, and cannot be overridden")
		}
	}
}

// ownFields is what smtp-in's fields may add to a message.
const ownFields = 1 << 20

// checkSizes wants the maildrop to take whatever smtp-in took, which arrives with smtp-in's own fields on top; that much is
// its default.
func (c *Config) checkSizes(at config.Section) {
	if c.SMTPIn == nil || c.Maildrop == nil {
		return
	}
	if !at.Has("maildrop.message_size_limit") {
		c.Maildrop.MessageSizeLimit = c.SMTPIn.MessageSizeLimit + ownFields
	}
	if in, drop := c.SMTPIn.MessageSizeLimit, c.Maildrop.MessageSizeLimit; drop < in {
		at.At("maildrop.message_size_limit").Errorf("%s is smaller than the %s of smtp_in: mail that was accepted could not be delivered", drop, in)
	}
}
