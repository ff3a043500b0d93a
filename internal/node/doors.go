// SPDX-License-Identifier: MIT

package node

import (
	"fmt"
	"slices"
	"strings"

	"posthouse/config"
	"posthouse/internal/listen"
	"posthouse/upstream"
)

// checkProxies wants a balancer and our own listener behind it to agree on the PROXY header: one that is not expected is
// taken for a command, and one that is missed closes every connection. It looks at the file as it holds for all nodes; a
// node that overrides a service is left out.
func (c *Config) checkProxies(root config.Section) {
	for name, balanced := range c.Balancer {
		if balanced == nil {
			continue
		}
		for i, server := range balanced.Upstream {
			service, door := c.behind(server)
			if door == nil {
				continue
			}
			at := root.At("balancer").At(name).At(fmt.Sprintf("upstream[%d]", i))
			switch speaks := balanced.ProxyProtocol != ""; {
			case door.Proxied() && !speaks:
				at.Errorf("%s at port %d requires the PROXY protocol: say proxy_protocol: v2 in balancer.%s", service, door.Address.Port, name)
			case !door.Proxied() && speaks:
				at.Errorf("%s at port %d does not take the PROXY protocol that balancer.%s speaks", service, door.Address.Port, name)
			case balanced.ProxyProtocol == "v1" && balanced.HealthCheck != nil:
				at.Warnf("health checks count as a client of %s: say proxy_protocol: v2 in balancer.%s, which can tell that they are none", service, name)
			}
		}
	}
}

// behind finds the listener of ours that an upstream server is, if it is one.
func (c *Config) behind(server upstream.Server) (service string, door *listen.Config) {
	for _, n := range c.Nodes {
		if !strings.EqualFold(string(n.Host), server.Address.Host) {
			continue
		}
		for _, service := range n.Services {
			doors := c.listeners(service)
			for i := range doors {
				if doors[i].Address.Port == server.Address.Port && !n.Override.Has(service) {
					return service, &doors[i]
				}
			}
		}
	}
	return "", nil
}

// listeners are a service's, none if its section is not in the file. A balancer's are per balanced service.
func (c *Config) listeners(service string) []listen.Config {
	if !isSMTP(service) || !c.has(service) {
		return nil
	}
	return c.sectionOf(service).Listen
}

// checkDoors finds two listeners of one node at the same address, of which only the first would open.
func (c *Cluster) checkDoors(root config.Section) {
	type door struct {
		address config.Address
		at      config.Section
	}
	var open []door
	add := func(at config.Section, doors []listen.Config) {
		for i, d := range doors {
			here := at.At(fmt.Sprintf("listen[%d]", i))
			for _, other := range open {
				if sameDoor(other.address, d.Address) {
					here.Errorf("%s is taken by %s on node %s", d.Address, other.at.Path(), c.Self.Host)
				}
			}
			open = append(open, door{d.Address, here})
		}
	}
	for _, service := range unique(c.Self.Services) {
		add(root.At(service), c.listeners(service))
	}
	if !c.Self.Runs(Balancer) {
		return
	}
	for _, name := range sortedKeys(c.Balancer) {
		if s := c.Balancer[name]; s != nil {
			add(root.At(Balancer).At(name), s.Listen)
		}
	}
}

func unique(list []string) []string { return slices.Compact(slices.Sorted(slices.Values(list))) }

// sameDoor reports addresses that cannot both be listened on.
func sameDoor(a, b config.Address) bool {
	anyPort := a.Network == "tcp" && a.Port == 0
	return !anyPort && (a.Covers(b) || b.Covers(a))
}
