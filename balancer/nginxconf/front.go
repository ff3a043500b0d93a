// SPDX-License-Identifier: MIT

package nginxconf

import (
	"net/netip"
	"slices"
	"strings"
	"time"
)

// mostDoors is how many listeners one server may have: a port range counts each port.
const mostDoors = 256

// pass finds the group that proxy_pass leads to.
func (b *block) pass() (bool, error) {
	list := b.inner["proxy_pass"]
	switch {
	case len(list) == 0:
		return b.drop(b.at, "it has no proxy_pass")
	case len(list) > 1:
		return false, list[1].errorf(`"proxy_pass" directive is duplicate`)
	case len(list[0].Args) != 1:
		return false, list[0].errorf(`invalid number of arguments in "proxy_pass" directive`)
	}
	d := list[0]
	to, ok := b.constant(d.Args[0])
	if !ok {
		return b.drop(d, "%s is chosen for each connection; %s. A service for each of the groups, at an address or port of its own, can take its place",
			d.Args[0], variableAdvice)
	}
	if g := b.im.groups[to]; g != nil {
		if why := g.usable(); why != "" {
			return b.drop(d, "upstream %q %s", to, why)
		}
		b.service.group = g
		return true, nil
	}
	return b.passDirectly(d, to)
}

// passDirectly makes a group of the one server that is named. Servers that name the same share it, as in NGINX.
func (b *block) passDirectly(d *Directive, to string) (bool, error) {
	e, err := parseEndpoint(to, false)
	switch {
	case strings.Contains(to, "://"):
		return b.drop(d, "it is an http server; the balancer is TCP only")
	case err != nil:
		return false, d.errorf("%v in upstream %q", err, to)
	case e.path == "" && e.first == 0 && e.named:
		return b.drop(d, "upstream %q is in no file that was read: give the file that includes this one", to)
	case e.path == "" && e.first == 0:
		return false, d.errorf("no port in upstream %q", to)
	}
	address, err := e.address(e.first)
	if err != nil {
		return b.drop(d, "%v", err)
	}
	g := &group{at: d, servers: []server{{address: address, weight: 1, maxFails: 1, failTimeout: 10 * time.Second}}}
	b.im.groups[to] = g
	b.service.group = g
	return true, nil
}

// constant is a word without variables, or with one alone that the server sets to such a word.
func (b *block) constant(word string) (string, bool) {
	name := strings.NewReplacer("${", "", "$", "", "}", "").Replace(word)
	if word != "$"+name && word != "${"+name+"}" {
		return word, !strings.Contains(word, "$")
	}
	value, found := "", 0
	for _, d := range b.inner["set"] {
		if len(d.Args) == 2 && d.Args[0] == "$"+name {
			value, found = d.Args[1], found+1
		}
	}
	return value, found == 1 && !strings.Contains(value, "$")
}

// listen reads all listen directives.
func (b *block) listen() (bool, error) {
	if len(b.inner["listen"]) == 0 {
		return false, b.at.errorf(`no "listen" is defined for server`)
	}
	trusted, err := b.trusted()
	if err != nil {
		return false, err
	}
	for _, d := range b.inner["listen"] {
		if err := b.listenAt(d, trusted); err != nil {
			return false, err
		}
	}
	if len(b.service.doors) == 0 {
		return b.drop(b.at, "none of its listen addresses can be carried over")
	}
	return true, nil
}

// trusted are the networks of set_real_ip_from.
func (b *block) trusted() (out []netip.Prefix, err error) {
	for _, d := range b.all("set_real_ip_from") {
		if len(out) > mostMixed {
			return nil, d.errorf("more than %d networks of proxies", mostMixed)
		}
		if len(d.Args) != 1 {
			return nil, d.errorf(`invalid number of arguments in "set_real_ip_from" directive`)
		}
		switch n, ok := network(d.Args[0]); {
		case d.Args[0] == "unix:":
			b.im.note(d, "unix: is not a network: proxy_networks has addresses alone")
		case !ok:
			b.im.note(d, "%s is a name: write its addresses into proxy_networks", d.Args[0])
		case !mapped(n) && !slices.Contains(out, n):
			out = append(out, n)
		}
	}
	return out, nil
}

// listenAt reads one listen directive.
func (b *block) listenAt(d *Directive, trusted []netip.Prefix) error {
	if len(d.Args) == 0 {
		return d.errorf(`invalid number of arguments in "listen" directive`)
	}
	e, err := parseEndpoint(d.Args[0], true)
	switch {
	case err != nil:
		return d.errorf(`%v in %q of the "listen" directive`, err, d.Args[0])
	case e.path == "" && e.first == 0:
		b.im.note(d, "%s has no port, so that NGINX takes any: not carried over", d.Args[0])
		return nil
	}
	p, err := b.listenParameters(d)
	if err != nil {
		return err
	}
	if fits, err := b.fits(d, p); err != nil || !fits {
		return err
	}
	if e.last-e.first >= mostDoors-len(b.service.doors) {
		b.im.note(d, "not carried over: more than %d listen addresses of one server", mostDoors)
		return nil
	}
	if e.named {
		b.im.note(d, "%s: a name is asked for once, at the start; an address is safer", d.Args[0])
	}
	for port := e.first; port <= e.last; port++ {
		b.open(d, e, port, p, trusted)
	}
	return nil
}

// fits reports whether a listener can be carried over: TCP, and TLS that may pass through.
func (b *block) fits(d *Directive, p listening) (bool, error) {
	_, encrypts, err := b.flag("proxy_ssl", false)
	if err != nil {
		return false, err
	}
	_, verify, err := b.one("ssl_verify_client")
	switch {
	case err != nil:
		return false, err
	case p.udp:
		b.im.note(d, "udp is not carried over: the balancer is TCP only. Leave it to NGINX")
	case p.tls && verify != "" && verify != "off":
		b.im.note(d, "not carried over: ssl_verify_client asks clients for certificates, and TLS is not ended here")
	case p.tls && !encrypts:
		b.im.note(d, "not carried over: %s. Let the servers speak TLS, and give their port for it in proxy_pass", tlsAdvice)
	case !p.tls && encrypts:
		b.im.note(d, "not carried over: proxy_ssl encrypts for clients that do not, and %s", upstreamTLS)
	default:
		if p.tls {
			b.im.note(d, "ssl, with proxy_ssl: TLS passes through, and clients see the certificates of the servers")
		}
		return true, nil
	}
	return false, nil
}

// open adds one door.
func (b *block) open(d *Directive, e endpoint, port int, p listening, trusted []netip.Prefix) {
	address, err := e.address(port)
	if err != nil {
		b.im.note(d, "not carried over: %v", err)
		return
	}
	n := door{address: address, host: e.host, port: port, any: e.host == "::" && p.bothFamilies, at: d}
	if e.host == "" && port > 0 {
		n.host = "0.0.0.0"
	}
	if n.any {
		n.address = strings.TrimPrefix(address, "[::]")
	}
	if p.proxied {
		n.proxied, n.trusted = true, trusted
		if len(trusted) == 0 {
			n.trusted = []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32"), netip.MustParsePrefix("::1/128")}
			b.im.note(d, "proxy_protocol: NGINX takes the header from anyone here; write into proxy_networks who may send it (127.0.0.1 and ::1 are written)")
		}
	}
	b.service.doors = append(b.service.doors, n)
}

// listening is what the parameters of listen say.
type listening struct{ udp, tls, proxied, bothFamilies bool }

// noNeed are parameters of listen that need no word of ours.
var noNeed = map[string]string{
	"bind": "", "default_server": "", "reuseport": "the loops share one queue",
	"backlog": "it is the system's (net.core.somaxconn)", "deferred": "a session begins at the handshake",
	"fastopen": "TCP Fast Open is not used", "rcvbuf": "it is the system's (net.ipv4.tcp_rmem)",
	"sndbuf": "it is the system's (net.ipv4.tcp_wmem)", "setfib": "it is for FreeBSD", "accept_filter": "it is for FreeBSD",
	"multipath": "MPTCP is not used",
}

// listenParameters reads what stands behind the address.
func (b *block) listenParameters(d *Directive) (p listening, err error) {
	for _, word := range d.Args[1:] {
		key, value, _ := strings.Cut(word, "=")
		why, known := noNeed[key]
		ok := true
		switch {
		case word == "udp":
			p.udp = true
		case word == "ssl":
			p.tls = true
		case word == "proxy_protocol":
			p.proxied = true
		case key == "ipv6only":
			p.bothFamilies = value == "off"
			ok = value == "on" || value == "off"
		case key == "so_keepalive":
			ok = b.keepalive(d, value)
		case known:
			if why != "" {
				b.im.note(d, "%s: no need: %s", word, why)
			}
		default:
			ok = false
		}
		if !ok {
			return p, d.errorf("invalid parameter %q", word)
		}
	}
	return p, nil
}

// systemKeepalive is net.ipv4.tcp_keepalive_time as Linux has it.
const systemKeepalive = 2 * time.Hour

// keepalive reads so_keepalive: on, off or idle:interval:count.
func (b *block) keepalive(d *Directive, value string) bool {
	switch value {
	case "off":
		return true
	case "on":
		b.service.keepalive = systemKeepalive
		return true
	}
	parts := strings.Split(value, ":")
	idle := systemKeepalive
	for i, part := range parts {
		if part == "" {
			continue
		}
		t, ok := span(part, seconds)
		if i == 2 {
			_, ok = number(part)
		}
		if !ok || i > 2 {
			return false
		}
		if i == 0 {
			idle = t
		} else {
			b.im.note(d, "so_keepalive: how often and how many are the system's (net.ipv4.tcp_keepalive_intvl, _probes)")
		}
	}
	b.service.keepalive = max(idle, time.Second)
	return strings.Trim(value, ":") != ""
}
