// SPDX-License-Identifier: MIT

package listen

import (
	"net/netip"

	"posthouse/certs"
	"posthouse/config"
)

// Config is one entry of a `listen` list. It may be written as its address alone.
type Config struct {
	Address       config.Address   `yaml:"address"`        // ":25", "[::]:25", "192.0.2.1:25", "unix:/path"
	Name          string           `yaml:"name"`           // of the socket in systemd's FileDescriptorName=
	TLS           string           `yaml:"tls"`            // "": offered; "implicit": from the first byte; "required": before AUTH and MAIL
	TLSProfile    string           `yaml:"tls_profile"`    // "port25", "submission"; "": the service's
	ProxyProtocol string           `yaml:"proxy_protocol"` // "" or "required"
	ProxyNetworks []config.Network `yaml:"proxy_networks"` // whose header is believed
	Certs         certs.Config     `yaml:",inline"`        // the listener's own; none: the service's
}

// UnmarshalScalar reads the short form.
func (c *Config) UnmarshalScalar(text string) error { return c.Address.UnmarshalText([]byte(text)) }

// Validate checks the words, and that a proxy is known by its address.
func (c *Config) Validate(at config.Section) {
	if c.Address.IsZero() && !at.Has("address") {
		at.Errorf("needs an address, such as \":25\"")
	}
	oneOf(at.At("tls"), c.TLS, "implicit", "required")
	oneOf(at.At("tls_profile"), c.TLSProfile, "port25", "submission")
	oneOf(at.At("proxy_protocol"), c.ProxyProtocol, "required")
	switch {
	case c.Proxied() && len(c.ProxyNetworks) == 0:
		at.At("proxy_protocol").Errorf("needs proxy_networks beside it: without them anyone could announce any address")
	case !c.Proxied() && len(c.ProxyNetworks) > 0:
		at.At("proxy_networks").Errorf("has no effect without proxy_protocol: required")
	}
}

func oneOf(at config.Section, value string, words ...string) {
	if value == "" {
		return
	}
	for _, w := range words {
		if value == w {
			return
		}
	}
	if len(words) == 1 {
		at.Errorf("%q is not known; it may be %s, or left out", value, words[0])
		return
	}
	at.Errorf("%q is not known; it may be %s or %s, or left out", value, words[0], words[1])
}

// Certified reports that the listener has certificates of its own.
func (c *Config) Certified() bool { return len(c.Certs.Pairs()) > 0 }

// Proxied reports that clients are announced by a proxy.
func (c *Config) Proxied() bool { return c.ProxyProtocol == "required" }

// Implicit reports TLS from the first byte.
func (c *Config) Implicit() bool { return c.TLS == "implicit" }

// Trusted reports an address of proxy_networks.
func (c *Config) Trusted(a netip.Addr) bool {
	for _, n := range c.ProxyNetworks {
		if n.Contains(a) {
			return true
		}
	}
	return false
}
