// SPDX-License-Identifier: MIT

package nginxconf

import (
	"math"
	"strings"
	"time"
)

// times reads the time-outs. What NGINX's file does not say stays ours.
func (b *block) times() (bool, error) {
	for _, t := range []struct {
		name string
		into *time.Duration
	}{
		{"proxy_connect_timeout", &b.service.connectTimeout},
		{"proxy_timeout", &b.service.timeout},
		{"proxy_protocol_timeout", &b.service.headerTimeout},
	} {
		d, value, err := b.time(t.name)
		if err != nil {
			return false, err
		}
		if d != nil && value == 0 {
			b.im.note(d, "%s ends at once; our default stays", d.Args[0])
		}
		*t.into = value
	}
	if d, on, err := b.flag("proxy_socket_keepalive", false); err != nil {
		return false, err
	} else if d != nil && on && b.service.keepalive == 0 {
		b.service.keepalive = systemKeepalive
	}
	return true, nil
}

// next reads proxy_next_upstream and its bounds.
func (b *block) next() (bool, error) {
	_, on, err := b.flag("proxy_next_upstream", true)
	if err != nil {
		return false, err
	}
	b.service.stay = !on
	d, value, err := b.one("proxy_next_upstream_tries")
	if err != nil {
		return false, err
	}
	if d != nil {
		var ok bool
		if b.service.tries, ok = number(value); !ok || b.service.tries > math.MaxInt32 {
			return false, d.errorf("invalid number %q", value)
		}
	}
	_, b.service.triesTimeout, err = b.time("proxy_next_upstream_timeout")
	return true, err
}

// toServers reads proxy_protocol.
func (b *block) toServers() (bool, error) {
	d, value, err := b.one("proxy_protocol")
	if d == nil {
		return true, err
	}
	switch strings.ToLower(value) {
	case "off":
	case "on":
		b.service.proxyProtocol = "v1"
	case "v2":
		b.service.proxyProtocol = "v2"
	default:
		return false, d.errorf(`invalid value %q in "proxy_protocol" directive`, value)
	}
	return true, nil
}

// who reads allow and deny.
func (b *block) who() (bool, error) {
	var rules []rule
	list := b.all("allow", "deny")
	for _, d := range list {
		if len(d.Args) != 1 {
			return false, d.errorf("invalid number of arguments in %q directive", d.Name)
		}
		r := rule{deny: d.Name == "deny"}
		n, ok := network(d.Args[0])
		switch {
		case d.Args[0] == "all":
		case d.Args[0] == "unix:":
			b.im.note(d, "unix: is not a network: who may use a socket is said by its folder's mode")
			continue
		case !ok:
			return false, d.errorf("invalid parameter %q", d.Args[0])
		case mapped(n):
			b.im.note(d, "%s fits nobody: IPv4 clients have IPv4 addresses, in NGINX too", d.Args[0])
			continue
		default:
			r.network = n
		}
		rules = append(rules, r)
	}
	x, rewritten, ok := lists(rules)
	if !ok {
		return b.drop(list[0], "allow and deny in this order have no equal where deny comes first, and more than %d networks remain: put them into another order",
			maxNetworks)
	}
	if rewritten {
		b.im.note(list[0], "allow and deny in this order have no equal where deny comes first: the networks that they come to are computed")
	}
	b.service.access = x
	return true, nil
}

// limit reads limit_conn: by the client's address alone.
func (b *block) limit() (bool, error) {
	_, dry, err := b.flag("limit_conn_dry_run", false)
	if err != nil {
		return false, err
	}
	for _, d := range b.all("limit_conn") {
		if len(d.Args) != 2 {
			return false, d.errorf(`invalid number of arguments in "limit_conn" directive`)
		}
		n, ok := number(d.Args[1])
		z := b.im.zones[d.Args[0]]
		switch {
		case !ok || n == 0 || n > 65535:
			return false, d.errorf("invalid number of connections %q", d.Args[1])
		case z == nil:
			b.im.note(d, "there is no limit_conn_zone %q in the files that were read: not carried over", d.Args[0])
		case dry:
			b.im.note(d, "limit_conn_dry_run is on, so that nobody is refused: not carried over")
		case !byClient(z.key):
			b.im.note(d, "it counts by %s, and client_connection_count_limit by the client's address: not carried over; max_conns limits a server", z.key)
		default:
			b.count(d, z, n)
		}
	}
	return true, nil
}

func byClient(key string) bool {
	key = strings.NewReplacer("{", "", "}", "").Replace(key)
	return key == "$binary_remote_addr" || key == "$remote_addr"
}

// count takes the lowest of several limits.
func (b *block) count(d *Directive, z *zone, n int) {
	if z.used != nil && z.used != b.at {
		b.im.note(b.at, "limit_conn %s: NGINX counts a client over all servers with this zone; here each service counts for itself", d.Args[0])
	}
	z.used = b.at
	if b.service.countLimit == 0 || n < b.service.countLimit {
		b.service.countLimit = n
	}
}

// checks reads health_check, of NGINX Plus.
func (b *block) checks() (bool, error) {
	list := b.all("health_check")
	if len(list) == 0 {
		return true, nil
	}
	h, d := &health{interval: 5 * time.Second, rise: 1, fall: 1}, list[0]
	for _, p := range d.Args {
		key, value, _ := strings.Cut(p, "=")
		ok := true
		switch key {
		case "interval":
			h.interval, ok = span(value, seconds)
			h.interval = max(h.interval, time.Second)
		case "passes":
			h.rise, ok = number(value)
			h.rise = max(h.rise, 1)
		case "fails":
			h.fall, ok = number(value)
			h.fall = max(h.fall, 1)
		default:
			b.im.note(d, "%s: not carried over; health_check has protocol, interval, rise and fall", p)
		}
		if !ok {
			return false, d.errorf("invalid parameter %q", p)
		}
	}
	b.service.health = h
	return true, nil
}

// logs reads access_log: off is session_log: false.
func (b *block) logs() (bool, error) {
	for _, d := range b.all("access_log") {
		if len(d.Args) > 0 && d.Args[0] == "off" {
			b.service.quiet = true
			return true, nil
		}
		b.im.advise(d, streamAdvice)
	}
	return true, nil
}
