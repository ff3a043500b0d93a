// SPDX-License-Identifier: MIT

package milter

import (
	"slices"
	"strings"
	"time"

	"posthouse/config"
	"posthouse/upstream"
)

// Config is one filter of a service's milters list, in the words of Postfix's smtpd_milters. It is one server (address, whose
// name may have several addresses) or a group (upstream) that is tried in the group's order.
type Config struct {
	Address        config.Address    `yaml:"address"`
	Upstream       []upstream.Server `yaml:"upstream"`
	DefaultAction  string            `yaml:"default_action"`  // [tempfail] accept, reject, tempfail, quarantine: when the filter fails
	ConnectTimeout config.Duration   `yaml:"connect_timeout"` // [30s] until a server has answered the negotiation, all of them together
	CommandTimeout config.Duration   `yaml:"command_timeout"` // [30s] silence at connect, helo, mail, rcpt and data
	ContentTimeout config.Duration   `yaml:"content_timeout"` // [300s] header, body and verdict together; no stage may take longer
}

var defaultActions = []string{"accept", "reject", "tempfail", "quarantine"}

// SetDefaults are Postfix's.
func (c *Config) SetDefaults() {
	c.DefaultAction = "tempfail"
	c.ConnectTimeout = config.Duration(30 * time.Second)
	c.CommandTimeout = config.Duration(30 * time.Second)
	c.ContentTimeout = config.Duration(300 * time.Second)
}

// Validate finds what cannot work.
func (c *Config) Validate(at config.Section) {
	switch single, group := at.Has("address"), at.Has("upstream"); {
	case single && group:
		at.At("upstream").Errorf("address and upstream exclude each other: write all servers into upstream")
	case group && len(c.Upstream) == 0:
		at.At("upstream").Errorf("an empty list: name at least one server")
	case group && !slices.ContainsFunc(c.Upstream, func(s upstream.Server) bool { return !s.Down }):
		at.At("upstream").Errorf("every server is down: nobody is left to ask")
	case !single && !group:
		at.Errorf("a milter needs an address: inet:host:port or unix:/path, or a list of them as upstream")
	}
	if c.Address.Network == "tcp" && (c.Address.Host == "" || c.Address.Port == 0) {
		at.At("address").Errorf("a milter needs a host and a port")
	}
	if !slices.Contains(defaultActions, c.DefaultAction) {
		at.At("default_action").Errorf("%q is not one of %s", c.DefaultAction, strings.Join(defaultActions, ", "))
	}
	c.checkTimes(at)
}

func (c *Config) checkTimes(at config.Section) {
	for key, d := range map[string]config.Duration{
		"connect_timeout": c.ConnectTimeout, "command_timeout": c.CommandTimeout, "content_timeout": c.ContentTimeout,
	} {
		if d <= 0 {
			at.At(key).Errorf("must be more than nothing")
		}
	}
	if c.CommandTimeout > c.ContentTimeout {
		at.At("command_timeout").Errorf("must not be longer than content_timeout (%s), which bounds every stage", c.ContentTimeout)
	}
}

// servers is the group, of one server for the short form.
func (c *Config) servers() []upstream.Server {
	if len(c.Upstream) > 0 {
		return c.Upstream
	}
	var s upstream.Server
	s.SetDefaults()
	s.Address = c.Address
	return []upstream.Server{s}
}

// name is what log and trail call the filter.
func (c *Config) name() string {
	if len(c.Upstream) > 0 {
		return c.Upstream[0].Address.String()
	}
	return c.Address.String()
}
