// SPDX-License-Identifier: MIT

//go:build interop

package upstream

import (
	"bufio"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"posthouse/config"
	"posthouse/internal/maillab"
)

// bench is a real NGINX and our group, with the same servers behind both.
type bench struct {
	t      *testing.T
	front  string
	behind map[string]*maillab.Backend // by address
	faulty map[string]bool
	group  *Group
}

func newBench(t *testing.T, method, line string, servers []Server) *bench {
	b := &bench{t: t, front: maillab.Local(maillab.FreePort(t)), behind: map[string]*maillab.Backend{}, faulty: map[string]bool{}}
	var lines strings.Builder
	for i := range servers {
		s := &servers[i]
		address := maillab.Local(maillab.FreePort(t))
		if err := s.Address.UnmarshalText([]byte(address)); err != nil {
			t.Fatal(err)
		}
		b.behind[address] = maillab.NewBackend(t, address, maillab.BackendOptions{Address: address})
		fmt.Fprintf(&lines, "server %s weight=%d max_fails=%d fail_timeout=%ds max_conns=%d", address, s.Weight, s.MaxFails,
			int(time.Duration(s.FailTimeout).Seconds()), s.MaxConns)
		if s.Backup {
			lines.WriteString(" backup")
		}
		lines.WriteString(";\n")
	}
	maillab.NGINX(t, fmt.Sprintf("upstream u {\n%s%s}\nserver { listen %s; proxy_pass u; }\n", line, &lines, b.front))
	b.group = New(servers, Options{Method: method, Now: func() time.Time { return time.Now().Truncate(time.Second) }})
	return b
}

// theirs connects through NGINX, and says which server answered.
func (b *bench) theirs(client netip.Addr) (net.Conn, string) {
	d := net.Dialer{LocalAddr: net.TCPAddrFromAddrPort(netip.AddrPortFrom(client, 0)), Timeout: maillab.Patience}
	c, err := d.Dial("tcp", b.front)
	if err != nil {
		b.t.Fatal(err)
	}
	_ = c.SetDeadline(time.Now().Add(maillab.Patience))
	name, err := bufio.NewReader(c).ReadString('\n')
	if err != nil {
		b.t.Fatalf("from NGINX: %v", err)
	}
	return c, strings.TrimSpace(name)
}

// ours picks until a server is found that works.
func (b *bench) ours(client netip.Addr) *Member {
	v := Visit{Client: client}
	for m := b.group.Pick(&v); m != nil; m = b.group.Pick(&v) {
		if !b.faulty[m.Name()] {
			m.OK()
			return m
		}
		m.Fail()
		m.Release()
	}
	b.t.Fatal("nobody left")
	return nil
}

// both do the same step; the caller ends it.
func (b *bench) both(what string, client netip.Addr) func() {
	b.t.Helper()
	c, theirs := b.theirs(client)
	m := b.ours(client)
	if m.Name() != theirs {
		b.t.Fatalf("%s: %s, NGINX %s", what, m.Name(), theirs)
	}
	return func() {
		before := b.behind[theirs].Sessions()
		c.Close()
		m.Release()
		maillab.Wait(b.t, maillab.Patience, "end of a session", func() bool { return b.behind[theirs].Sessions() < before })
	}
}

func (b *bench) toggle(address string) {
	fault := maillab.Refuses
	if b.faulty[address] {
		fault = maillab.Works
	}
	b.faulty[address] = !b.faulty[address]
	b.behind[address].Be(b.t, fault)
}

// evenSecond waits until the second has some way to go: NGINX counts whole ones, and both must mean the same.
func evenSecond() {
	if f := time.Now().Nanosecond(); f < 1e8 || f > 7e8 {
		time.Sleep(time.Until(time.Now().Truncate(time.Second).Add(1100*time.Millisecond)) % time.Second)
	}
}

func weighing(weight, maxFails, maxConns int, backup bool) Server {
	return server("replaced", func(s *Server) {
		s.Weight, s.MaxFails, s.MaxConns, s.Backup = weight, maxFails, maxConns, backup
		s.FailTimeout = config.Duration(time.Second)
	})
}

// Each client is led to the same server, also while servers are out.
func TestHashAsRealNginx(t *testing.T) {
	t.Parallel()
	var servers []Server
	for _, weight := range []int{1, 1, 2, 1, 3} {
		s := weighing(weight, 1, 0, false)
		s.FailTimeout = config.Duration(10 * time.Minute)
		servers = append(servers, s)
	}
	b := newBench(t, Hash, "hash $remote_addr consistent;\n", servers)
	for out := range 4 {
		for i := range 200 {
			client := netip.AddrFrom4([4]byte{127, 0, 0, byte(i + 1)})
			b.both(fmt.Sprintf("%d out, client %s", out, client), client)()
		}
		b.toggle(b.group.Members()[out].Name())
	}
}

// Sessions come and go, servers die and return, backups help out.
func TestScriptAsRealNginx(t *testing.T) {
	t.Parallel()
	for method, line := range map[string]string{RoundRobin: "", LeastConn: "least_conn;\n"} {
		t.Run(method, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, method, line, []Server{weighing(5, 2, 0, false), weighing(1, 1, 3, false), weighing(2, 3, 0, false),
				weighing(1, 1, 0, true), weighing(2, 0, 0, true)})
			b.script(rand.New(rand.NewPCG(3, 4)), 600)
		})
	}
}

func (b *bench) script(r *rand.Rand, steps int) {
	members := b.group.Members()
	always := members[len(members)-1].Name()
	var live []func()
	for step := range steps {
		if step%100 == 99 {
			time.Sleep(2 * time.Second) // fail_timeout is over
		}
		evenSecond()
		switch n := r.IntN(8); {
		case n == 0:
			if m := members[r.IntN(len(members))].Name(); m != always {
				b.toggle(m)
			}
		case n < 4 && len(live) > 0:
			i := r.IntN(len(live))
			live[i]()
			live = append(live[:i], live[i+1:]...)
		default:
			live = append(live, b.both(fmt.Sprintf("step %d", step), netip.AddrFrom4([4]byte{127, 0, 0, 1})))
		}
	}
	for _, end := range live {
		end()
	}
}
