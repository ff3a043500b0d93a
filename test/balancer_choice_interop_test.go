// SPDX-License-Identifier: MIT

//go:build interop

package test

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"posthouse/internal/maillab"
)

// choices are groups of servers with what happens to them. Each row is a step: what fails or comes back, and who serves the clients
// that come next, one after another. NGINX and we stand before the same servers at the same time. A name is who took the
// connection; behind it "?" says that nothing came, "!" that the connection was cut, "~" that the client waited for a connect to time out; "-" is a
// client that was closed without a server.
type choice struct {
	name    string
	servers string // "a max_fails=2; b backup": NGINX's words
	nginx   string // further lines of its upstream block, and behind "|" of its server block
	ours    string // the same in the words of the cluster file, separated by ";"
	steps   []step
}

type step struct {
	do   string // "kill a, back b", "hold", "release", "wait 4s", "clients 12"; see perform
	want string // who serves: of NGINX
	ours string // of us, where that differs
	why  string // and why
}

// choices: fail_timeout is far from what a step takes, but where it is what the step is about. NGINX counts in whole seconds: what
// failed is out for longer than fail_timeout, and for a second longer at most.
var choices = []choice{
	{name: "primary and two backups", servers: "a; b backup; c backup", steps: []step{
		{do: "", want: "a a a"},
		{do: "kill a", want: "b c b"},
		{do: "back a", want: "c b c"},
		{do: "kill b", want: "c c c"},
		{do: "back b", want: "c c c"},
		{do: "kill c", want: "- - -", ours: "a a a", why: allOut},
	}},
	{name: "max_fails 2", servers: "a max_fails=2; b backup", steps: []step{
		{do: "", want: "a a a"},
		{do: "refuse a", want: "b b b"},
		{do: "back a", want: "b b b"},
	}},
	{name: "a failure, a success, a failure", servers: "a max_fails=2; b backup", steps: []step{
		{do: "refuse a, clients 1", want: "b"},
		{do: "back a", want: "a a a"},
		{do: "refuse a, clients 1", want: "b"},
		{do: "back a", want: "b b b"},
	}},
	{name: "max_fails 0", servers: "a max_fails=0; b max_fails=0; c backup", steps: []step{
		{do: "clients 4", want: "a b a b"},
		{do: "refuse a", want: "b b b"},
		{do: "back a", want: "b a b"},
		{do: "kill b", want: "a a a"},
		{do: "kill a", want: "c c c"},
		{do: "back b", want: "b b b"},
	}},
	{name: "weights 5, 1, 1", servers: "a weight=5; b; c", steps: []step{
		{do: "clients 14", want: "a a b a c a a a a b a c a a"},
		{do: "kill a, clients 6", want: "b c b c b c"},
		{do: "kill b, clients 4", want: "c c c c"},
		{do: "back a, back b, clients 4", want: "c c c c"},
	}},
	{name: "weights and max_fails 3", servers: "a weight=5 max_fails=3; b weight=2 max_fails=3; c", steps: []step{
		{do: "clients 8", want: "a b a a c a b a"},
		{do: "refuse a, clients 2", want: "b b"},
		{do: "back a, clients 12", want: "a c a a b a a b a c a a"},
		{do: "refuse b, clients 9", want: "a a a a c a a a a"},
	}},
	{name: "three backups", servers: "a; b backup weight=2; c backup; d backup", steps: []step{
		{do: "kill a, clients 8", want: "b c d b b c d b"},
		{do: "kill b, clients 4", want: "c d c d"},
		{do: "kill c, clients 3", want: "d d d"},
		{do: "back b, back c, clients 3", want: "d d d"},
	}},
	{name: "max_conns", servers: "a max_conns=2; b max_conns=1; c backup max_conns=1", steps: []step{
		{do: "hold, clients 6", want: "a b a c - -"},
		{do: "release, hold, clients 3", want: "a b a"},
		{do: "release, kill a, hold, clients 3", want: "b c -"},
	}},
	{name: "down", servers: "a down; b; c; d down backup", steps: []step{
		{do: "clients 4", want: "b c b c"},
		{do: "kill b", want: "c c c"},
		{do: "kill c", want: "- - -"},
	}},
	{name: "all are out", servers: "a; b; c backup", steps: []step{
		{do: "refuse a, refuse b, refuse c", want: "- - -"},
		{do: "back b", want: "- - -", ours: "b b b", why: allOut},
		{do: "back c, refuse b", want: "- - -", ours: "c c c", why: allOut},
	}},
	{name: "least_conn", servers: "a; b; c weight=2", nginx: "least_conn;", ours: "method: least_conn", steps: []step{
		{do: "hold, clients 8", want: "c a b c b a c c"},
		{do: "kill a, hold, clients 4", want: "c b c c"},
		{do: "back a, hold, clients 4", want: "b c b c"},
		{do: "release, clients 6", want: "c c b c c b"},
	}},
	{name: "least_conn with backups", servers: "a; b; c backup; d backup", nginx: "least_conn;", ours: "method: least_conn", steps: []step{
		{do: "hold, clients 3", want: "a b b"},
		{do: "kill a, kill b, hold, clients 4", want: "c d d c"},
		{do: "kill c, hold, clients 2", want: "d d"},
	}},
	{name: "hash", servers: "a; b; c weight=2; d", nginx: "hash $remote_addr consistent;", ours: "method: hash", steps: []step{
		{do: "clients 24 from 24", want: each},
		{do: "kill b, clients 24 from 24", want: each},
		{do: "kill d, clients 12 from 12", want: each},
		{do: "back b, back d, clients 12 from 12", want: each},
	}},
	{name: "a single server", servers: "a", steps: []step{
		{do: "refuse a", want: "- - -"},
		{do: "back a", want: "a a a"},
		{do: "kill a", want: "- - -"},
		{do: "back a", want: "a a a"},
	}},
	{name: "fail_timeout is over", servers: "a fail_timeout=4s; b backup", steps: []step{
		{do: "hold, clients 1", want: "a"},
		{do: "refuse a, hold, clients 2", want: "b b"},
		{do: "back a, clients 2", want: "b b"},
		{do: "wait 5500ms", want: "a a a"},
		{do: "kill a, clients 2", want: "b b"},
		{do: "wait 5500ms, clients 2", want: "b b"},
		{do: "back a, clients 2", want: "b b"},
	}},
	{name: "failures too far apart", servers: "a max_fails=2 fail_timeout=2s; b backup", steps: []step{
		{do: "refuse a, clients 1", want: "b"},
		{do: "back a, wait 3500ms, clients 1", want: "a"},
		{do: "refuse a, clients 1", want: "b"},
		{do: "back a, clients 2", want: "a a"},
	}},
	{name: "next upstream off", servers: "a; b", nginx: "|proxy_next_upstream off;", ours: "next_upstream: false", steps: []step{
		{do: "clients 4", want: "a b a b"},
		{do: "refuse a, clients 4", want: "- b b b"},
		{do: "back a, clients 2", want: "b b"},
	}},
	{name: "two tries", servers: "a max_fails=0; b max_fails=0; c max_fails=2", nginx: "|proxy_next_upstream_tries 2;", ours: "next_upstream_tries: 2", steps: []step{
		{do: "refuse a, clients 6", want: "b c b c b c"},
		{do: "refuse b, clients 6", want: "- c - c - c"},
		{do: "back b, refuse c, clients 6", want: "b b b b b b"},
	}},
	{name: "time for tries", servers: "a max_fails=0; b max_fails=0; c max_fails=0", nginx: "|proxy_next_upstream_timeout 1500ms;", ours: "next_upstream_timeout: 1500ms", steps: []step{
		{do: "hide a, clients 3", want: "b~ c b"},
		{do: "hide b, clients 4", want: "c -~ c -~"},
	}},
	{name: "all on backups", servers: "a down; b backup max_conns=1; c backup weight=2", steps: []step{
		{do: "clients 6", want: "c b c c b c"},
		{do: "hold, clients 4", want: "c b c c"},
		{do: "release, refuse c, clients 3", want: "b b b"},
	}},
	{name: "black hole", servers: "a; b; c backup", steps: []step{
		{do: "clients 2", want: "a b"},
		{do: "hide a, clients 3", want: "b~ b b"},
		{do: "hide b, clients 3", want: "c~ c c"},
		{do: "back a, clients 2", want: "c c"},
	}},
	{name: "black hole, max_fails 2", servers: "a max_fails=2; b backup", steps: []step{
		{do: "hide a, clients 4", want: "b~ b~ b b"},
		{do: "back a, clients 2", want: "b b"},
	}},
	{name: "stall", servers: "a; b backup", steps: []step{
		{do: "stall a, clients 3", want: "a? a? a?"},
		{do: "back a, clients 2", want: "a a"},
	}},
	{name: "reset", servers: "a; b backup", steps: []step{
		{do: "reset a, clients 3", want: "a! a! a!"},
		{do: "back a, clients 2", want: "a a"},
	}},
}

// allOut is where we differ: NGINX serves nobody until a fail_timeout is over.
const allOut = "when all are out, each is tried once"

// each stands for what nobody can know beforehand, since ports change from run to run: both have to choose the same, and where many
// come not only one server.
const each = "the same"

// TestSameChoiceAsNGINX plays all steps, and prints them as a table with -v.
func TestSameChoiceAsNGINX(t *testing.T) {
	t.Parallel()
	beside(t, func(t *testing.T, stages []*stage) string {
		var services strings.Builder
		for i, s := range stages {
			services.WriteString(s.ourText(i))
		}
		return services.String()
	})
}

// TestImportedFromNGINX plays them with the services that `posthouse import nginx` makes of NGINX's own file.
func TestImportedFromNGINX(t *testing.T) {
	t.Parallel()
	beside(t, func(t *testing.T, stages []*stage) string {
		dir, text := room(t), "stream {\n"
		for i, s := range stages {
			text += strings.Replace(s.nginxText(i), "listen "+s.balancers[0].address, "listen "+s.balancers[1].address, 1)
		}
		writeFile(t, dir, "nginx.conf", text+"}\n", 0o644)
		r := posthouse(t, dir, "import", "nginx", "nginx.conf")
		_, services, ok := strings.Cut(r.out, "balancer:\n")
		if r.code != 0 || !ok { // it may have remarks, as on max_conns without a zone
			t.Fatalf("import: %+v", r)
		}
		return services
	})
}

// beside plays all steps with NGINX and with ours, whose services are given.
func beside(t *testing.T, services func(*testing.T, []*stage) string) {
	var stream, table strings.Builder
	var stages []*stage
	for i, c := range choices {
		s := newStage(t, c)
		stages = append(stages, s)
		stream.WriteString(s.nginxText(i))
	}
	maillab.NGINX(t, stream.String())
	startBalancer(t, "", services(t, stages))
	t.Run("steps", func(t *testing.T) {
		for _, s := range stages {
			t.Run(s.name, func(t *testing.T) {
				t.Parallel()
				s.play(t)
			})
		}
	})
	rows := 0
	for _, s := range stages {
		table.WriteString(s.rows.String())
		rows += len(s.steps)
	}
	t.Logf("%d steps; servers, what happens, who serves with NGINX, with us\n%s", rows, table.String())
}

// stage is a choice with its servers.
type stage struct {
	choice
	words     map[string]string
	backends  []*maillab.Backend
	balancers []*front // NGINX, ours
	rows      strings.Builder
}

// front is one of the two balancers, with the connections that are held open through it.
type front struct {
	address string
	held    []*caller
}

func newStage(t *testing.T, c choice) *stage {
	s := &stage{choice: c, words: map[string]string{}}
	for server := range strings.SplitSeq(c.servers, ";") {
		name, words, _ := strings.Cut(strings.TrimSpace(server), " ")
		s.words[name] = words
		s.backends = append(s.backends, maillab.NewBackend(t, name, maillab.BackendOptions{Proxy: true}))
	}
	for range 2 {
		s.balancers = append(s.balancers, &front{address: maillab.Local(maillab.FreePort(t))})
	}
	return s
}

func (s *stage) nginxText(i int) string {
	block, server, _ := strings.Cut(s.nginx, "|")
	for _, b := range s.backends {
		block += fmt.Sprintf(" server %s %s;", b.Addr(), s.words[b.Name])
	}
	return fmt.Sprintf("upstream u%d { %s }\nserver { listen %s; proxy_pass u%d; proxy_protocol on; proxy_connect_timeout 1s; %s }\n",
		i, block, s.balancers[0].address, i, server)
}

func (s *stage) ourText(i int) string {
	var upstream []string
	for _, b := range s.backends {
		upstream = append(upstream, at(b, s.words[b.Name]))
	}
	more := []string{"proxy_protocol: v1", "connect_timeout: 1s"}
	if s.ours != "" {
		more = append(more, strings.Split(s.ours, ";")...)
	}
	return service(fmt.Sprintf("u%d", i), s.balancers[1].address, upstream, more...)
}

func (s *stage) play(t *testing.T) {
	fmt.Fprintf(&s.rows, "%s (%s)\n", s.name, s.servers)
	for n, step := range s.steps {
		p := s.perform(t, step.do)
		got := p.calls(t, s)
		want := [2]string{step.want, step.want}
		note := ""
		if step.why != "" {
			want[1], note = step.ours, ": "+step.why
		}
		if step.want == each {
			if p.clients >= 24 { // twelve may all belong to one of the two servers that are left
				spread(t, got[0])
			}
			want[0], want[1] = got[0], got[0]
		}
		for i, who := range []string{"NGINX", "we"} {
			if got[i] != want[i] {
				t.Errorf("step %d, %s: %s: %s, want %s", n+1, step.do, who, got[i], want[i])
			}
		}
		fmt.Fprintf(&s.rows, "  %-34s | %-30s | %s%s\n", step.do, got[0], got[1], note)
	}
}

// spread wants clients at two servers at least.
func spread(t *testing.T, got string) {
	t.Helper()
	if all := strings.Fields(got); strings.Contains(got, "-") || len(slices.Compact(slices.Sorted(slices.Values(all)))) < 2 {
		t.Errorf("clients are served by %s", got)
	}
}

// play is how a step's clients come.
type play struct {
	clients, addresses int
	hold               bool
}

// perform does what a step says.
func (s *stage) perform(t *testing.T, do string) play {
	p := play{clients: 3, addresses: 1}
	for order := range strings.SplitSeq(do, ",") {
		verb, rest, _ := strings.Cut(strings.TrimSpace(order), " ")
		switch verb {
		case "":
		case "hold":
			p.hold = true
		case "release":
			for _, f := range s.balancers {
				for _, c := range f.held {
					s.hangUp(t, c)
				}
				f.held = nil
			}
		case "wait":
			d, err := time.ParseDuration(rest)
			if err != nil {
				t.Fatal(err)
			}
			time.Sleep(d) // NGINX's clock cannot be turned
		case "clients":
			if _, err := fmt.Sscanf(rest, "%d from %d", &p.clients, &p.addresses); err != nil && err.Error() != "unexpected EOF" {
				t.Fatal(err)
			}
		default:
			s.fault(t, verb, rest)
		}
	}
	return p
}

func (s *stage) fault(t *testing.T, verb, name string) {
	i := slices.IndexFunc(s.backends, func(b *maillab.Backend) bool { return b.Name == name })
	if i < 0 {
		t.Fatalf("no server %q to %s", name, verb)
	}
	b := s.backends[i]
	faults := map[string]maillab.Fault{"refuse": maillab.Refuses, "stall": maillab.Stalls, "hide": maillab.BlackHole, "back": maillab.Works}
	if f, ok := faults[verb]; ok {
		b.Be(t, f)
	} else if verb == "kill" {
		b.Kill(t)
		s.lost(t, name)
	} else if verb == "reset" {
		b.ResetAfter(t, 1)
	} else {
		t.Fatalf("%q is nothing that a step can do", verb)
	}
}

// lost waits until all who were held by a server that is killed have seen it: by then the balancers have counted them off.
func (s *stage) lost(t *testing.T, server string) {
	for _, f := range s.balancers {
		for _, c := range f.held {
			if c.name == server {
				c.SetDeadline(time.Now().Add(maillab.Patience))
				_, _ = io.Copy(io.Discard, c.r)
			}
		}
	}
}

// hangUp cuts a connection by RST, which leaves nothing half-closed, and waits until its server has seen that: by then the balancer has
// counted it off.
func (s *stage) hangUp(t *testing.T, c *caller) {
	client := netip.MustParseAddrPort(c.LocalAddr().String())
	_ = c.Conn.(*net.TCPConn).SetLinger(0)
	c.Close()
	maillab.Wait(t, maillab.Patience, "end of a session", func() bool {
		return !slices.ContainsFunc(s.backends, func(b *maillab.Backend) bool { return b.Serves(client) })
	})
}

// calls are the step's clients: both balancers at once, each one after another.
func (p play) calls(t *testing.T, s *stage) (got [2]string) {
	var both sync.WaitGroup
	for i, f := range s.balancers {
		both.Go(func() {
			var all []string
			for n := range p.clients {
				all = append(all, s.call(t, f, fmt.Sprintf("127.0.0.%d", 10+n%p.addresses), p.hold))
			}
			got[i] = strings.Join(all, " ")
		})
	}
	both.Wait()
	return got
}

// call is one client.
func (s *stage) call(t *testing.T, f *front, from string, hold bool) string {
	began := time.Now()
	c := dialFrom(t, f.address, from)
	c.SetDeadline(began.Add(3 * time.Second))
	io.WriteString(c, "x") // what resets waits for that
	c.name, c.err = c.line()
	c.took = time.Since(began)
	c.SetDeadline(began.Add(5 * time.Minute))
	who := nobody(c.name)
	if c.name == "" {
		who = nobody(s.taker(c.LocalAddr().String()))
	}
	switch silent := errors.Is(c.err, os.ErrDeadlineExceeded); {
	case silent:
		who += "?"
	case c.name == "" && who != "-":
		who += "!"
	case c.took > 700*time.Millisecond:
		who += "~"
	}
	if hold {
		f.held = append(f.held, c)
	} else {
		s.hangUp(t, c)
	}
	return who
}

// taker is the server that was given a client's connection.
func (s *stage) taker(client string) string {
	for _, b := range s.backends {
		for _, v := range b.Visits() {
			if v.Client == netip.MustParseAddrPort(client) {
				return b.Name
			}
		}
	}
	return ""
}
