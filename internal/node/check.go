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
	if len(c.Nodes) == 0 {
		at.Errorf("needs nodes: at least one {host: ..., services: [...]}")
	}
	c.checkNodes(at.At("nodes"))
	c.checkSizes(at)
	c.checkProxies(at.At("balancer"))
}

func (c *Config) checkNodes(at config.Section) {
	seen := map[config.Domain]bool{}
	for i, n := range c.Nodes {
		here := at.At(fmt.Sprintf("[%d]", i))
		if n.Host == "" {
			here.Errorf("a node needs host: its host name")
		} else if seen[n.Host] {
			here.At("host").Errorf("node %s stands here a second time", n.Host)
		}
		seen[n.Host] = true
		if len(n.Services) == 0 {
			here.Errorf("node %s runs no services: say services: [smtp_in, ...]", n.Host)
		}
		for j, s := range n.Services {
			c.checkService(here.At(fmt.Sprintf("services[%d]", j)), n.Services[:j], s)
		}
	}
}

func (c *Config) checkService(at config.Section, before []string, service string) {
	switch {
	case !known(service):
		at.Errorf("unknown service %q: use smtp_in, smtp_out, maildrop or balancer", service)
	case slices.Contains(before, service):
		at.Errorf("service %s stands here a second time", service)
	case !c.has(service):
		at.Errorf("service %s has no section %s in the file", service, service)
	}
}

// checkSizes wants the maildrop to take whatever smtp-in took and grew by its own fields.
func (c *Config) checkSizes(at config.Section) {
	if c.SMTPIn == nil || c.Maildrop == nil {
		return
	}
	if c.Maildrop.MessageSizeLimit < c.SMTPIn.MessageSizeLimit {
		at.At("maildrop.message_size_limit").Errorf("is %s, smaller than the %s of smtp_in: mail that was accepted could not be delivered",
			c.Maildrop.MessageSizeLimit, c.SMTPIn.MessageSizeLimit)
	}
}

// checkProxies wants a balancer and our own listener behind it to agree on the PROXY header: one that is not expected is
// taken for a command, and one that is missed closes every connection.
func (c *Config) checkProxies(at config.Section) {
	if c.SMTPOut == nil {
		return
	}
	required := map[int]bool{}
	for _, l := range c.SMTPOut.Listen {
		required[l.Address.Port] = l.ProxyProtocol == "required"
	}
	for name, service := range c.Balancer {
		for i, server := range service.Upstream {
			want, ours := required[server.Address.Port]
			if !ours || !c.isNode(server.Address.Host) {
				continue
			}
			place := at.At(fmt.Sprintf("%s.upstream[%d].address", name, i))
			switch {
			case want && service.ProxyProtocol == "":
				place.Errorf("the listener of smtp_out at port %d requires the PROXY protocol: say proxy_protocol: v2 in balancer.%s", server.Address.Port, name)
			case !want && service.ProxyProtocol != "":
				place.Errorf("the listener of smtp_out at port %d does not take the PROXY protocol", server.Address.Port)
			}
		}
	}
}

func (c *Config) isNode(host string) bool {
	return slices.ContainsFunc(c.Nodes, func(n Node) bool { return string(n.Host) == host })
}
