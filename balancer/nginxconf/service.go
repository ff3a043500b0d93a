// SPDX-License-Identifier: MIT

package nginxconf

import (
	"maps"
	"net/netip"
	"slices"
	"strings"
	"time"
)

// service is what becomes of a server block, or of several that share a group and all settings.
type service struct {
	name     string
	at       []*Directive // the server blocks
	doors    []door
	group    *group
	settings string // all keys but listen and upstream, as written

	proxyProtocol  string
	connectTimeout time.Duration // here and below: 0 is our default
	timeout        time.Duration
	headerTimeout  time.Duration
	keepalive      time.Duration
	stay           bool // no next_upstream
	tries          int
	triesTimeout   time.Duration
	health         *health
	access         access
	countLimit     int
	quiet          bool // no session_log
}

// door is one listen address.
type door struct {
	address string
	host    string
	port    int  // 0: a unix socket
	any     bool // every address of the machine, IPv4 and IPv6
	proxied bool
	trusted []netip.Prefix // whose PROXY header is believed
	at      *Directive
}

// health is NGINX Plus's health_check.
type health struct {
	interval   time.Duration
	rise, fall int
}

// block is one server block with what it inherits.
type block struct {
	im           *importer
	at           *Directive
	inner, outer level
	service      *service
}

// carried are the directives that become keys, here or at the stream level; block.read reads them.
var carried = map[string]bool{
	"listen": true, "proxy_pass": true, "proxy_protocol": true, "proxy_connect_timeout": true, "proxy_timeout": true,
	"proxy_protocol_timeout": true, "proxy_next_upstream": true, "proxy_next_upstream_tries": true,
	"proxy_next_upstream_timeout": true, "proxy_socket_keepalive": true, "allow": true, "deny": true, "limit_conn": true,
	"limit_conn_dry_run": true, "set_real_ip_from": true, "health_check": true, "access_log": true, "set": true,
}

// essential directives do something to what a client gets that cannot be left out.
var essential = map[string]string{
	"js_access":             "a program says who may connect",
	"js_preread":            "a program reads what the client says",
	"js_filter":             "a program changes what is passed on",
	"access_by_lua_block":   "a program says who may connect",
	"access_by_lua_file":    "a program says who may connect",
	"preread_by_lua_block":  "a program reads what the client says",
	"preread_by_lua_file":   "a program reads what the client says",
	"content_by_lua_block":  "a program answers",
	"content_by_lua_file":   "a program answers",
	"balancer_by_lua_block": "a program chooses the server",
	"balancer_by_lua_file":  "a program chooses the server",
	"return":                "it answers by itself",
	"pass":                  "it hands connections to another server of NGINX",
}

// webWords are of http alone: a file from sites-available was given.
var webWords = []string{"location", "root", "index", "try_files", "error_page", "rewrite", "add_header"}

// server makes a service of a server block, or says why not.
func (im *importer) server(d *Directive, outer level) error {
	if !d.Open {
		return d.errorf(`directive "server" has no opening "{"`)
	}
	if len(d.Args) > 0 {
		return d.errorf(`invalid number of arguments in "server" directive`)
	}
	b := &block{im: im, at: d, inner: collect(d.Block), outer: outer, service: &service{at: []*Directive{d}}}
	if why := b.unfit(); why != "" {
		im.note(d, "not carried over: %s", why)
		return nil
	}
	for _, step := range []func() (bool, error){b.pass, b.listen, b.times, b.next, b.toServers, b.who, b.limit, b.checks, b.logs} {
		if ok, err := step(); err != nil || !ok {
			return err
		}
	}
	for i := range d.Block {
		if inner := &d.Block[i]; !carried[inner.Name] {
			im.advise(inner, streamAdvice)
		}
	}
	im.settle(b.service)
	return nil
}

// unfit says what of the block cannot be left out, if anything.
func (b *block) unfit() string {
	for _, name := range webWords {
		if b.inner[name] != nil {
			return "it is an http server (" + name + "); the balancer is TCP only"
		}
	}
	for _, name := range slices.Sorted(maps.Keys(essential)) {
		for _, l := range []level{b.inner, b.outer} {
			if len(l[name]) > 0 {
				return name + " in " + l[name][0].Place() + ": " + essential[name]
			}
		}
	}
	return ""
}

// all is the directives of one or more names in force: the server's own, else the stream's, in order.
func (b *block) all(names ...string) []*Directive {
	for _, l := range []level{b.inner, b.outer} {
		var found []*Directive
		for _, name := range names {
			found = append(found, l[name]...)
		}
		if len(found) > 0 {
			slices.SortFunc(found, func(a, b *Directive) int { return a.order - b.order })
			return found
		}
	}
	return nil
}

// one is a directive that may stand once, with one argument; nil if it stands nowhere.
func (b *block) one(name string) (*Directive, string, error) {
	list := b.all(name)
	switch {
	case len(list) == 0:
		return nil, "", nil
	case len(list) > 1:
		return nil, "", list[1].errorf("%q directive is duplicate", name)
	case len(list[0].Args) != 1 || list[0].Open:
		return nil, "", list[0].errorf("invalid number of arguments in %q directive", name)
	}
	return list[0], list[0].Args[0], nil
}

// flag is a directive that is on or off.
func (b *block) flag(name string, otherwise bool) (*Directive, bool, error) {
	d, value, err := b.one(name)
	switch {
	case d == nil:
		return nil, otherwise, err
	case strings.EqualFold(value, "on"):
		return d, true, nil
	case strings.EqualFold(value, "off"):
		return d, false, nil
	}
	return nil, false, d.errorf(`invalid value %q in %q directive, it must be "on" or "off"`, value, name)
}

// time is a directive that is a time; 0 if it stands nowhere.
func (b *block) time(name string) (*Directive, time.Duration, error) {
	d, value, err := b.one(name)
	if d == nil {
		return nil, 0, err
	}
	t, ok := span(value, milliseconds)
	if !ok {
		return nil, 0, d.errorf("%q directive invalid value", name)
	}
	return d, t, nil
}

// drop says why the block is not carried over.
func (b *block) drop(d *Directive, format string, args ...any) (bool, error) {
	b.im.note(d, "the server is not carried over: "+format, args...)
	return false, nil
}
