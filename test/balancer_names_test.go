// SPDX-License-Identifier: MIT

package test

import (
	big "encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"

	"posthouse/internal/maillab"
)

// nameserver answers questions for addresses as a test tells it, with a TTL of one second.
type nameserver struct {
	conn    net.PacketConn
	mu      sync.Mutex
	answers map[string][]netip.Addr // by name without the last dot
	aliases map[string]string
	broken  bool // SERVFAIL for everything
	asked   int
}

func newNameserver(t *testing.T) *nameserver {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	n := &nameserver{conn: conn, answers: map[string][]netip.Addr{}, aliases: map[string]string{}}
	go n.serve()
	return n
}

// root is the line of the cluster file that names it.
func (n *nameserver) root() string {
	return fmt.Sprintf("resolver: {servers: [%q]}\n", n.conn.LocalAddr())
}

// set gives a name its addresses, "" none; or an alias.
func (n *nameserver) set(name string, addresses ...string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.broken = false
	delete(n.aliases, name)
	n.answers[name] = nil
	for _, a := range addresses {
		if ip, err := netip.ParseAddr(a); err == nil {
			n.answers[name] = append(n.answers[name], ip)
		} else {
			n.aliases[name] = a
		}
	}
}

// breakDown makes it answer SERVFAIL, and says how often it was asked so far.
func (n *nameserver) breakDown() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.broken = true
	return n.asked
}

func (n *nameserver) questions() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.asked
}

func (n *nameserver) serve() {
	buf := make([]byte, 1500)
	for {
		size, from, err := n.conn.ReadFrom(buf)
		if err != nil {
			return
		}
		if answer := n.answer(buf[:size]); answer != nil {
			n.conn.WriteTo(answer, from)
		}
	}
}

// answer is the message for a question (RFC 1035, section 4.1), with its names written out.
func (n *nameserver) answer(question []byte) []byte {
	if len(question) < 17 {
		return nil
	}
	var labels []string
	end := 12
	for question[end] != 0 {
		size := int(question[end])
		if end+1+size >= len(question)-4 {
			return nil
		}
		labels = append(labels, string(question[end+1:end+1+size]))
		end += 1 + size
	}
	name, kind := strings.ToLower(strings.Join(labels, ".")), big.BigEndian.Uint16(question[end+1:])
	n.mu.Lock()
	defer n.mu.Unlock()
	n.asked++
	flags := uint16(0x8580)
	var records [][]byte
	if n.broken {
		flags |= 2
	} else {
		records = n.records(name, kind)
	}
	m := append([]byte{}, question[:2]...)
	for _, v := range []uint16{flags, 1, uint16(len(records)), 0, 0} {
		m = big.BigEndian.AppendUint16(m, v)
	}
	m = append(m, question[12:end+5]...)
	for _, r := range records {
		m = append(m, r...)
	}
	return m
}

func (n *nameserver) records(name string, kind uint16) (all [][]byte) {
	if to, ok := n.aliases[name]; ok {
		all = append(all, record(name, 5, wireName(to)))
		name = to
	}
	for _, a := range n.answers[name] {
		if a.Is4() && kind == 1 || !a.Is4() && kind == 28 {
			all = append(all, record(name, kind, a.AsSlice()))
		}
	}
	return all
}

func record(name string, kind uint16, data []byte) []byte {
	r := wireName(name)
	for _, v := range []uint16{kind, 1, 0, 1, uint16(len(data))} { // class IN, TTL 1
		r = big.BigEndian.AppendUint16(r, v)
	}
	return append(r, data...)
}

func wireName(name string) (b []byte) {
	for label := range strings.SplitSeq(name, ".") {
		b = append(append(b, byte(len(label))), label...)
	}
	return append(b, 0)
}

// named is a server at each of these addresses, with the same port, that says its address.
func named(t *testing.T, addresses ...string) (port int, all []*maillab.Backend) {
	t.Helper()
	port = maillab.FreePort(t)
	for _, a := range addresses {
		all = append(all, maillab.NewBackend(t, a, maillab.BackendOptions{Address: fmt.Sprintf("%s:%d", a, port)}))
	}
	return port, all
}

// retoldResolve changes what a name says, and the group follows. An answer that is none changes nothing.
func retoldResolve(t *testing.T) {
	n, listen := newNameserver(t), door(t)
	port, _ := named(t, "127.0.9.1", "127.0.9.2", "127.0.9.3")
	n.set("server.test", "127.0.9.1")
	n.set("other.test", "127.0.9.3")
	startBalancer(t, n.root(), service("s", listen, []string{fmt.Sprintf("address: \"server.test:%d\", max_fails: 0", port)}))
	wait := func(want string) {
		t.Helper()
		maillab.Wait(t, maillab.Patience, "servers "+want, func() bool { return both(t, listen) == want })
	}
	wait("127.0.9.1")
	long := serves(t, listen, "", "127.0.9.1")
	n.set("server.test", "127.0.9.2")
	wait("127.0.9.2")
	long.says(t, "the address that is gone keeps its sessions")
	n.set("server.test", "127.0.9.1", "127.0.9.2")
	wait("127.0.9.1 127.0.9.2")
	n.set("server.test", "other.test")
	wait("127.0.9.3")
	before := n.breakDown()
	maillab.Wait(t, maillab.Patience, "look-ups that fail", func() bool { return n.questions() > before+2 })
	wait("127.0.9.3")
	n.set("server.test", "127.0.9.1")
	wait("127.0.9.1")
	long.says(t, "still")
}

// both are the servers that four clients get.
func both(t *testing.T, address string) string {
	t.Helper()
	seen := map[string]bool{}
	for name := range strings.FieldsSeq(names(t, address, 4)) {
		seen[name] = true
	}
	var all []string
	for _, name := range []string{"-", "127.0.9.1", "127.0.9.2", "127.0.9.3"} {
		if seen[name] {
			all = append(all, name)
		}
	}
	return strings.Join(all, " ")
}

// retoldResolver has names that are there, that are not, and that come later.
func retoldResolver(t *testing.T) {
	n, good, late := newNameserver(t), door(t), door(t)
	port, _ := named(t, "127.0.9.1", "127.0.9.2")
	n.set("good.test", "127.0.9.1")
	newBalancer(t, n.root(), service("good", good, []string{fmt.Sprintf("address: \"good.test:%d\"", port)})+
		service("late", late, []string{fmt.Sprintf("address: \"late.test:%d\"", port)})).launch(t) // it is not ready, and serves
	maillab.WaitPort(t, late)
	maillab.Wait(t, maillab.Patience, "service", func() bool { return names(t, good, 1) == "127.0.9.1" })
	if got := names(t, late, 1); got != "-" {
		t.Errorf("a name without an address is served by %s", got)
	}
	n.set("late.test", "127.0.9.2")
	maillab.Wait(t, maillab.Patience, "the late name", func() bool { return names(t, late, 1) == "127.0.9.2" })
}

// retoldResolvedTries counts tries over the addresses of a name.
func retoldResolvedTries(t *testing.T) {
	n, three, two, all := newNameserver(t), door(t), door(t), door(t)
	port, backends := named(t, "127.0.9.1", "127.0.9.2", "127.0.9.3")
	backends[0].Be(t, maillab.Refuses)
	backends[1].Be(t, maillab.Refuses)
	n.set("a.test", "127.0.9.1", "127.0.9.2", "127.0.9.3")
	server := []string{fmt.Sprintf("address: \"a.test:%d\", max_fails: 0", port)}
	startBalancer(t, n.root(), service("three", three, server, "next_upstream_tries: 3")+service("two", two, server, "next_upstream_tries: 2")+service("all", all, server))
	maillab.Wait(t, maillab.Patience, "the name's addresses", func() bool { return names(t, all, 1) == "127.0.9.3" })
	for address, want := range map[string]string{three: "127.0.9.3", all: "127.0.9.3"} {
		if got := names(t, address, 4); got != strings.TrimSpace(strings.Repeat(want+" ", 4)) {
			t.Errorf("%s: %s", address, got)
		}
	}
	if got := names(t, two, 6); !strings.Contains(got, "-") {
		t.Errorf("two tries always find the third server: %s", got)
	}
}
