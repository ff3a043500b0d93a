// SPDX-License-Identifier: MIT

//go:build interop

package test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"posthouse/internal/maillab"
)

// imported is a stream block, and where clients land who come through NGINX with it and through the balancer with what the import
// makes of it. In the block, <a> is the address of a server and <1> a free listen address.
type imported struct {
	name  string
	text  string
	proxy bool // servers want PROXY headers
	steps []arrival
}

// arrival is what happens first, and then who comes, from where: "door/address door/address ...", three times each. Behind
// "hold" they stay until the step is over: who has gone is no longer counted a moment after the client sees it.
type arrival struct{ kill, back, clients string }

// imports: fail_timeout is longer than a test.
var imports = []imported{
	{"a primary and backups", `upstream mail { server <a> fail_timeout=1m max_fails=2; server <b> fail_timeout=1m max_fails=2 backup; server <c> backup; }
		server { listen <1>; proxy_pass mail; }`, false, []arrival{
		{"", "", "1/1"}, {"a", "", "1/1 1/2"}, {"b", "a", "1/1"}}},
	{"two listeners of one group", `upstream g { server <a> weight=3; server <b>; server <c> down; } proxy_connect_timeout 2s;
		server { listen <1>; proxy_pass g; } server { listen <2>; proxy_pass g; }`, false, []arrival{
		{"", "", "1/1 2/1 1/2"}, {"b", "", "2/1 1/1"}}},
	{"hash", `upstream h { hash $remote_addr consistent; server <a>; server <b> weight=2; server <c>; } server { listen <1>; proxy_pass h; }`, false, []arrival{
		{"", "", "1/1 1/2 1/3 1/4 1/5 1/6 1/7 1/8 1/9 1/10"}, {"b", "", "1/1 1/2 1/3 1/4 1/5 1/6 1/7 1/8"}}},
	{"no next upstream", `upstream n { server <a> max_fails=0; server <b> max_fails=0; } server { listen <1>; proxy_pass n; proxy_next_upstream off; }`, false, []arrival{
		{"a", "", "1/1 1/1"}, {"", "a", "1/1"}}},
	{"tries", `upstream n { server <a> max_fails=0; server <b> max_fails=0; server <c> max_fails=0; }
		server { listen <1>; proxy_pass n; proxy_next_upstream_tries 2; }`, false, []arrival{
		{"a b", "", "1/1 1/1"}, {"", "a", "1/1"}}},
	{"who may", `deny 127.0.0.9;
		server { listen <1>; proxy_pass <a>; allow 127.0.0.1; deny 127.0.0.0/29; }
		server { listen <2>; proxy_pass <b>; deny 127.0.0.3; allow 127.0.0.0/30; deny all; }
		server { listen <3>; proxy_pass <c>; }`, false, []arrival{
		{"", "", "1/1 1/2 1/7 1/8 1/9 2/1 2/3 2/2 2/4 3/1 3/9"}}},
	{"PROXY", `server { listen <1>; proxy_pass <a>; proxy_protocol on; }`, true, []arrival{{"", "", "1/1 1/7"}}},
	{"a name that set gives", `server { listen <1>; set $where <b>; proxy_pass $where; }`, false, []arrival{{"", "", "1/1"}}},
	{"fewest connections", `upstream l { least_conn; server <a> weight=2; server <b>; server <c> backup; } server { listen <1>; proxy_pass l; }`, false, []arrival{
		{"", "", "hold 1/1 1/2 1/1"}, {"a b", "", "1/1"}}},
	{"how many at once", `limit_conn_zone $binary_remote_addr zone=z:1m; limit_conn z 2; server { listen <1>; proxy_pass <a>; }`, false, []arrival{
		{"", "", "hold 1/1 1/2"}}},
}

// What is imported sends the same clients to the same servers as NGINX with the original, and refuses the same.
func TestImportedLandsWhereNGINXSends(t *testing.T) {
	t.Parallel()
	for _, test := range imports {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			servers := make(map[string]*maillab.Backend)
			for _, name := range []string{"a", "b", "c"} {
				servers[name] = maillab.NewBackend(t, name, maillab.BackendOptions{Proxy: test.proxy})
			}
			theirs, ours := newSide(t, test.text, servers), newSide(t, test.text, servers)
			maillab.NGINX(t, theirs.text)
			ours.balance(t)
			for i, s := range test.steps {
				for name := range strings.FieldsSeq(s.kill) {
					servers[name].Kill(t)
				}
				for name := range strings.FieldsSeq(s.back) {
					servers[name].Be(t, maillab.Works)
				}
				want, got := theirs.play(t, s.clients), ours.play(t, s.clients)
				if want != got {
					t.Errorf("step %d:\nNGINX    %s\nimported %s", i+1, want, got)
				}
				t.Log(want)
			}
		})
	}
}

// side is one of the two, with listeners of its own before the same servers.
type side struct {
	text    string
	servers map[string]*maillab.Backend
	doors   map[string]string
}

func newSide(t *testing.T, text string, servers map[string]*maillab.Backend) *side {
	t.Helper()
	s := &side{text: text, servers: servers, doors: map[string]string{}}
	for name, server := range servers {
		s.text = strings.ReplaceAll(s.text, "<"+name+">", server.Addr())
	}
	for _, name := range []string{"1", "2", "3"} {
		s.doors[name] = maillab.Local(maillab.FreePort(t))
		s.text = strings.ReplaceAll(s.text, "<"+name+">", s.doors[name])
	}
	return s
}

// balance imports the text and runs the balancer with it.
func (s *side) balance(t *testing.T) {
	t.Helper()
	dir, admin := room(t), maillab.Local(maillab.FreePort(t))
	writeFile(t, dir, "nginx.conf", "stream {\n"+s.text+"\n}\n", 0o644)
	r := posthouse(t, dir, "import", "nginx", "nginx.conf")
	if r.code != 0 {
		t.Fatalf("code %d\n%s", r.code, r.err)
	}
	writeFile(t, dir, "posthouse.yaml", fmt.Sprintf("cluster: lb.test\nnodes: [{host: lb.lb.test, services: [balancer]}]\ndata_dir: state\nadmin: {listen: %q}\n%s",
		admin, r.out), 0o644)
	waitReady(t, start(t, dir, "balancer", "--config", filepath.Join(dir, "posthouse.yaml"), "--node", "lb.lb.test"), admin)
}

// play is who served each client: "-" is nobody.
func (s *side) play(t *testing.T, clients string) string {
	t.Helper()
	var served []string
	var held []*net.TCPConn
	hold := false
	for client := range strings.FieldsSeq(clients) {
		door, from, _ := strings.Cut(client, "/")
		if client == "hold" {
			hold = true
			continue
		}
		for range 3 {
			name, c := s.serve(t, s.doors[door], "127.0.0."+from)
			if served = append(served, name); hold {
				held = append(held, c)
			} else {
				hangUp(t, c)
			}
		}
	}
	for _, c := range held {
		hangUp(t, c)
	}
	return strings.Join(served, " ")
}

// hangUp says that the client is done, and waits until all of the session is over.
func hangUp(t *testing.T, c *net.TCPConn) {
	t.Helper()
	defer c.Close()
	if err := c.CloseWrite(); err == nil {
		_, _ = io.Copy(io.Discard, c)
	}
}

// serve is one client: who served it, and as whom it was announced if at all.
func (s *side) serve(t *testing.T, door, from string) (string, *net.TCPConn) {
	t.Helper()
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}, Timeout: maillab.Patience}
	c, err := d.Dial("tcp", door)
	if err != nil {
		t.Fatal(err)
	}
	c.SetDeadline(time.Now().Add(maillab.Patience))
	line, err := bufio.NewReader(c).ReadString('\n')
	if err != nil {
		return "-", c.(*net.TCPConn)
	}
	name := strings.TrimSpace(line)
	if visits := s.servers[name].Visits(); len(visits) > 0 && visits[len(visits)-1].Client.IsValid() {
		name += " for " + visits[len(visits)-1].Client.Addr().String()
	}
	return name, c.(*net.TCPConn)
}
