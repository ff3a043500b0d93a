// SPDX-License-Identifier: MIT

package nginxconf

import (
	"strings"
	"time"
)

// group is an upstream block, or the one server that a proxy_pass names.
type group struct {
	name      string
	at        *Directive
	servers   []server
	method    string // "": round_robin
	slowStart time.Duration
	zoned     bool     // its state is shared by NGINX's workers
	used      *service // the first with it

	refused string // the parameter that the method read so far does not take: "", "backup"
}

// server is a line of a group. Defaults are NGINX's and ours alike.
type server struct {
	address     string
	weight      int
	maxConns    int
	maxFails    int
	failTimeout time.Duration
	backup      bool
	down        bool
}

// most is the largest weight of a cluster file.
const mostWeight = 65535

// mostServers is how many one group may have.
const mostServers = 1000

// upstream reads an upstream block.
func (im *importer) upstream(d *Directive) error {
	switch {
	case !d.Open:
		return d.errorf(`directive "upstream" has no opening "{"`)
	case len(d.Args) != 1:
		return d.errorf(`invalid number of arguments in "upstream" directive`)
	case im.groups[d.Args[0]] != nil:
		return d.errorf("duplicate upstream %q", d.Args[0])
	}
	g := &group{name: d.Args[0], at: d}
	im.groups[g.name] = g
	lines := 0
	for i := range d.Block {
		inner := &d.Block[i]
		if inner.Name == "server" {
			lines++
		}
		if err := im.groupLine(g, inner); err != nil {
			return err
		}
	}
	if lines == 0 {
		return d.errorf("no servers are inside upstream")
	}
	for _, s := range g.servers {
		if s.maxConns > 0 && !g.zoned {
			im.note(d, "max_conns without a zone is counted by each NGINX worker; here it is the limit for all")
			break
		}
	}
	return nil
}

// groupLine reads one line of it.
func (im *importer) groupLine(g *group, d *Directive) error {
	switch d.Name {
	case "server":
		return im.groupServer(g, d)
	case "least_conn":
		g.method = "least_conn"
	case "hash":
		return im.hash(g, d)
	case "random":
		im.random(g, d)
	case "least_time":
		g.method = "least_conn"
		im.note(d, "response times are not compared: method: least_conn is written")
	case "zone":
		g.zoned = true
		im.advise(d, groupAdvice)
	default:
		im.advise(d, groupAdvice)
	}
	return nil
}

// hash is by the client's address, or it is not carried over.
func (im *importer) hash(g *group, d *Directive) error {
	if len(d.Args) < 1 || len(d.Args) > 2 {
		return d.errorf(`invalid number of arguments in "hash" directive`)
	}
	g.refused = "backup"
	key := strings.NewReplacer("{", "", "}", "").Replace(d.Args[0])
	switch {
	case key != "$remote_addr" && key != "$binary_remote_addr":
		im.note(d, "%s is not known here: method: round_robin is written; method: hash is by the client's address", d.Args[0])
		return nil
	case len(d.Args) == 1:
		im.note(d, "method: hash is NGINX's `hash $remote_addr consistent`: clients move to other servers once, now")
	case d.Args[1] != "consistent":
		return d.errorf("invalid parameter %q", d.Args[1])
	case key == "$binary_remote_addr":
		im.note(d, "method: hash is by the address as text ($remote_addr): clients move to other servers once, now")
	default:
		im.note(d, "IPv4 clients keep their server; an IPv6 client is known by its /64 and may move once, now")
	}
	g.method = "hash"
	return nil
}

func (im *importer) random(g *group, d *Directive) {
	g.refused = "backup"
	if len(d.Args) > 0 && d.Args[0] == "two" {
		g.method = "least_conn"
		im.note(d, "method: least_conn is written: it looks at all servers instead of two of them")
		return
	}
	im.note(d, "method: round_robin is written: as even, and not by chance")
}

// groupServer reads `server ADDRESS [parameters]` in an upstream block.
func (im *importer) groupServer(g *group, d *Directive) error {
	if len(d.Args) == 0 {
		return d.errorf(`invalid number of arguments in "server" directive`)
	}
	s := server{weight: 1, maxFails: 1, failTimeout: 10 * time.Second}
	for _, p := range d.Args[1:] {
		if err := im.serverParameter(g, &s, d, p); err != nil {
			return err
		}
	}
	e, err := parseEndpoint(d.Args[0], false)
	switch {
	case err != nil:
		return d.errorf("%v in upstream %q", err, d.Args[0])
	case e.path == "" && e.first == 0 && hasPrefix(d.Args[1:], "service="):
		return nil // said already
	case e.path == "" && e.first == 0:
		return d.errorf("no port in upstream %q", d.Args[0])
	}
	if s.address, err = e.address(e.first); err != nil {
		im.note(d, "left out: %v", err)
		return nil
	}
	if g.servers = append(g.servers, s); len(g.servers) > mostServers {
		return d.errorf("upstream %q has more than %d servers", g.name, mostServers)
	}
	return nil
}

func hasPrefix(list []string, prefix string) bool {
	for _, s := range list {
		if strings.HasPrefix(s, prefix) {
			return true
		}
	}
	return false
}

// serverParameter reads one parameter of it.
func (im *importer) serverParameter(g *group, s *server, d *Directive, p string) error {
	key, value, _ := strings.Cut(p, "=")
	ok := true
	switch key {
	case "weight":
		s.weight, ok = number(value)
		ok = ok && s.weight > 0
		if s.weight > mostWeight {
			s.weight = mostWeight
			im.note(d, "%s: the largest weight is %d, which is written; divide the weights of the group", p, mostWeight)
		}
	case "max_conns":
		s.maxConns, ok = number(value)
	case "max_fails":
		s.maxFails, ok = number(value)
	case "fail_timeout":
		if s.failTimeout, ok = span(value, seconds); ok && s.failTimeout == 0 {
			s.failTimeout, s.maxFails = 10*time.Second, 0
			im.note(d, "%s leaves a server out for the rest of the second: max_fails: 0 is written, which never does", p)
		}
	case "slow_start":
		var t time.Duration
		t, ok = span(value, seconds)
		g.slowStart = max(g.slowStart, t)
	case "service":
		im.note(d, "%s: SRV records are not asked for: name the servers", p)
	case "route", "id":
		im.note(d, "%s has no effect without sticky, which is not there", p)
	default:
		return im.serverWord(g, s, d, p)
	}
	if !ok {
		return d.errorf("invalid parameter %q", p)
	}
	return nil
}

// serverWord reads a parameter without a value.
func (im *importer) serverWord(g *group, s *server, d *Directive, p string) error {
	switch {
	case p == g.refused:
		return d.errorf("balancing method does not support parameter %q", p)
	case p == "backup":
		s.backup = true
	case p == "down":
		s.down = true
	case p == "drain":
		im.note(d, "drain: say `posthouse balancer drain` once it runs; down: true is written until then")
		s.down = true
	case p == "resolve":
		im.note(d, "resolve: no need: names are asked again when their TTL ends")
	default:
		return d.errorf("invalid parameter %q", p)
	}
	return nil
}

// usable says why a group cannot be a service's, if so.
func (g *group) usable() string {
	primary := false
	for _, s := range g.servers {
		primary = primary || !s.backup
	}
	switch {
	case len(g.servers) == 0:
		return "has no server that could be carried over"
	case !primary:
		return "has no server that is not a backup"
	}
	return ""
}
