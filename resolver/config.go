// SPDX-License-Identifier: MIT

package resolver

import (
	"fmt"
	"net"
	"net/netip"
	"strconv"

	"github.com/miekg/dns"

	"posthouse/config"
)

// Config is the `resolver` section of the cluster file.
type Config struct {
	Servers  []string    `yaml:"servers"`   // "127.0.0.1:53", "[::1]", in order of preference; none: the system's
	ZoneFile config.Path `yaml:"zone_file"` // a master file: its names, and nothing else
}

// Validate finds what cannot work.
func (c *Config) Validate(at config.Section) {
	for i, s := range c.Servers {
		if _, err := serverAddr(s); err != nil {
			at.At(fmt.Sprintf("servers[%d]", i)).Errorf("%v", err)
		}
	}
	if len(c.Servers) > maxServers {
		at.At("servers").Errorf("at most %d servers are asked", maxServers)
	}
	if c.ZoneFile != "" && len(c.Servers) > 0 {
		at.At("zone_file").Errorf("answers come either from servers or from a zone_file, not from both")
	}
}

// Open makes the Resolver that c asks for.
func Open(c Config) (Resolver, error) {
	if c.ZoneFile != "" {
		return LoadZone(string(c.ZoneFile))
	}
	return New(Options{Servers: c.Servers})
}

// maxServers bounds what one question can cost; resolv.conf(5) has the same limit.
const maxServers = 3

// serverAddr reads an address, with port 53 if none is given. A name is refused: who would look it up?
func serverAddr(s string) (netip.AddrPort, error) {
	if a, err := netip.ParseAddr(s); err == nil {
		return netip.AddrPortFrom(a, 53), nil
	}
	if n := len(s); n > 2 && s[0] == '[' && s[n-1] == ']' {
		return serverAddr(s[1 : n-1])
	}
	ap, err := netip.ParseAddrPort(s)
	if err != nil || ap.Port() == 0 {
		return ap, fmt.Errorf("%q is not the address of a name server (127.0.0.1:53)", s)
	}
	return ap, nil
}

// systemServers reads resolv.conf(5). Without one, or with none in it, the server is on this machine.
func systemServers(path string) []string {
	c, err := dns.ClientConfigFromFile(path)
	if err != nil || len(c.Servers) == 0 {
		return []string{"127.0.0.1:53"}
	}
	servers := c.Servers[:min(len(c.Servers), maxServers)]
	out := make([]string, len(servers))
	for i, s := range servers {
		out[i] = s
		if port, err := strconv.Atoi(c.Port); err == nil && port != 53 {
			out[i] = net.JoinHostPort(s, c.Port)
		}
	}
	return out
}
