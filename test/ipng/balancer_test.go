// SPDX-License-Identifier: MIT

//go:build interop

package ipng

import (
	"fmt"
	"net"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"posthouse/internal/maillab"
)

// network is a machine of its own beside the lab's host: a namespace with one cable to it.
type network struct {
	pid                 int
	host, self          string // addresses of IPv4 at both ends
	host6, self6, cable string
}

// newNetwork makes one, with a default route to the host. Addresses are /24 and /64.
func newNetwork(t *testing.T, cable, host, self, host6, self6 string) *network {
	t.Helper()
	holder := exec.Command("sleep", "3600")
	holder.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET, Pdeathsig: syscall.SIGKILL}
	if err := holder.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		holder.Process.Kill()
		holder.Wait()
		exec.Command("ip", "link", "del", cable).Run()
	})
	n := &network{holder.Process.Pid, host, self, host6, self6, cable}
	for _, line := range []string{
		fmt.Sprintf("ip link add %s type veth peer name eth0 netns %d", cable, n.pid),
		fmt.Sprintf("ip addr add %s/24 dev %s", host, cable),
		fmt.Sprintf("ip addr add %s/64 dev %s nodad", host6, cable),
		"ip link set " + cable + " up",
	} {
		shell(t, strings.Fields(line)...)
	}
	for _, line := range []string{
		"ip link set lo up", "ip addr add " + self + "/24 dev eth0", "ip addr add " + self6 + "/64 dev eth0 nodad", "ip link set eth0 up",
		"ip route add default via " + host, "ip -6 route add default via " + host6,
	} {
		shell(t, n.inside(strings.Fields(line)...)...)
	}
	return n
}

// inside is a command as the network's own machine runs it.
func (n *network) inside(args ...string) []string {
	return append([]string{"nsenter", "-t", fmt.Sprint(n.pid), "-n"}, args...)
}

// hears is what a client there hears: it connects, says LOGOUT and reads to the end.
func (n *network) hears(t *testing.T, address string) string {
	t.Helper()
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		t.Fatal(err)
	}
	script := fmt.Sprintf("exec 3<>/dev/tcp/%s/%s && printf 'LOGOUT\\r\\n1 LOGOUT\\r\\n' >&3; exec timeout 10 cat <&3", host, port)
	args := n.inside("bash", "-c", script)
	out, _ := exec.Command(args[0], args[1:]...).CombinedOutput() // a reset is an error, and a good answer
	return string(out)
}

func shell(t *testing.T, args ...string) {
	t.Helper()
	if out, err := exec.Command(args[0], args[1:]...).CombinedOutput(); err != nil {
		t.Fatalf("%s: %v: %s", args, err, out)
	}
}

// TestManageSieveByVPNAlone runs the example's balancer before two real Dovecots, with a client in the VPN and one
// outside. Both get IMAP; ManageSieve is for the VPN.
func TestManageSieveByVPNAlone(t *testing.T) {
	lab(t)
	first := maillab.DovecotAt(t, "10.0.3.1", maillab.Dovecot{IMAP: 993, Sieve: 4190, ProxyIMAP: 10993, ProxySieve: 14190})
	maillab.DovecotAt(t, "10.0.3.2", maillab.Dovecot{IMAP: 993, Sieve: 4190, ProxyIMAP: 10993, ProxySieve: 14190})
	vpn := newNetwork(t, "vpn", "198.19.0.1", "198.19.0.2", "2001:678:d78:500::1", "2001:678:d78:500::2")
	outside := newNetwork(t, "outside", "198.18.0.1", "198.18.0.2", "2001:678:d78:600::1", "2001:678:d78:600::2")
	dir := example(t)
	file := filepath.Join(dir, "posthouse.yaml")
	text := strings.Replace(read(t, file), "/var/lib/posthouse", "state", 1)
	for _, port := range []string{"587", "993", "4190"} { // the servers are on this host too, so that it cannot have all addresses
		here := fmt.Sprintf("[%q, %q, %q, %q]", vpn.host+":"+port, outside.host+":"+port, "["+vpn.host6+"]:"+port, "["+outside.host6+"]:"+port)
		text = strings.Replace(text, fmt.Sprintf(`["[::]:%[1]s", "0.0.0.0:%[1]s"]`, port), here, 1)
	}
	write(t, file, text)
	lb := maillab.Start(t, dir, binary, "balancer", "--config", file, "--node", "nginx0.chrma0.net.ipng.ch")
	maillab.Wait(t, maillab.Patience, "the balancer's listeners", func() bool {
		if lb.Ended() {
			t.Fatal("the balancer ended")
		}
		return strings.Contains(outside.hears(t, outside.host+":993"), "* OK")
	})
	check := func(when string) {
		t.Helper()
		for _, c := range []struct {
			who  string
			from *network
			at   string
			want string
		}{
			{"VPN", vpn, vpn.host + ":4190", `"IMPLEMENTATION" "Dovecot`},
			{"VPN, IPv6", vpn, "[" + vpn.host6 + "]:4190", `"IMPLEMENTATION" "Dovecot`},
			{"outside", outside, outside.host + ":4190", ""},
			{"outside, IPv6", outside, "[" + outside.host6 + "]:4190", ""},
			{"outside, at the VPN's address", outside, vpn.host + ":4190", ""},
			{"outside, IMAP", outside, outside.host + ":993", "* OK "},
			{"outside, IMAP, IPv6", outside, "[" + outside.host6 + "]:993", "* OK "},
			{"VPN, IMAP", vpn, vpn.host + ":993", "* OK "},
		} {
			host, port, _ := net.SplitHostPort(c.at)
			got := c.from.hears(t, c.at)
			if c.want == "" && got != "" && !strings.Contains(got, "reset by peer") || !strings.Contains(got, c.want) {
				t.Errorf("%s: %s at %s port %s hears %q, want %q", when, c.who, host, port, got, c.want)
			}
		}
	}
	check("all servers are up")
	maillab.Wait(t, maillab.Patience, "log line about who was turned away", func() bool {
		return maillab.Logged(lb.Log(), `"balanced":"sieve"`, outside.self)
	})
	first.Kill()
	check("the first server is gone")
}

// TestListedBalancer has the balancer on a machine of its own whose address is on a blocklist: mail straight from there is refused, and
// mail by the balancer is judged by its client.
func TestListedBalancer(t *testing.T) {
	lab(t)
	front := newNetwork(t, "front", "198.18.7.1", "198.18.7.9", "2001:678:d78:700::1", "2001:678:d78:700::2")
	sinkAt(t, "10.0.3.1:25")
	s := readSets(t, "testdata/probes/ipng.txt")[0]
	s.probes = nil
	m := prepareSet(t, s, 120, example(t))
	file := filepath.Join(m.dir, "posthouse.yaml")
	write(t, file, strings.Replace(read(t, file), "  listen: [", `  listen: [{address: "198.18.7.1:25"}, {address: "198.18.7.1:10025", proxy_protocol: required, proxy_networks: ["198.18.7.9/32"]}, `, 1))
	m.start(t)
	dir := room(t)
	write(t, filepath.Join(dir, "posthouse.yaml"), `cluster: front.test
nodes: [{host: front.lab.test, services: [balancer]}]
data_dir: state
balancer:
  v1: {listen: ["198.18.7.9:25"], proxy_protocol: v1, upstream: ["198.18.7.1:10025"]}
  v2: {listen: ["198.18.7.9:26"], proxy_protocol: v2, upstream: ["198.18.7.1:10025"], health_check: {protocol: smtp, interval: 1s}}
`)
	lb := front.inside(binary, "balancer", "--config", filepath.Join(dir, "posthouse.yaml"), "--node", "front.lab.test")
	maillab.Start(t, dir, lb[0], lb[1:]...)
	for _, address := range []string{"198.18.7.9:25", "198.18.7.9:26"} {
		maillab.WaitPort(t, address)
		for client, want := range map[string]string{"192.0.2.1": "RCPT 250 2.1.5", "198.51.100.1": "RCPT 554 5.7.1"} {
			p := probe{client: client, helo: "mx.eritap.com", from: "<alice@eritap.com>", to: []string{"<pim@ipng.ch>"}}
			if got, text, err := p.play(address); err != nil || got != want {
				t.Errorf("%s by %s: %s (%s), %v; want %s", client, address, got, text, err, want)
			}
		}
	}
	if got := straight(t, front, "198.18.7.1:25"); !strings.Contains(got, "554 5.7.1") || !strings.Contains(got, "[198.18.7.9]") {
		t.Errorf("the balancer's own address is not refused, so this shows nothing: %q", got)
	}
}

// straight is a dialogue with smtp-in from a network, without the balancer.
func straight(t *testing.T, n *network, address string) string {
	t.Helper()
	host, port, _ := net.SplitHostPort(address)
	script := fmt.Sprintf(`exec 3<>/dev/tcp/%s/%s; for l in "EHLO mx.eritap.com" "MAIL FROM:<alice@eritap.com>" "RCPT TO:<pim@ipng.ch>" QUIT; do sleep 0.3; printf '%%s\r\n' "$l" >&3; done; exec timeout 10 cat <&3`, host, port)
	args := n.inside("bash", "-c", script)
	out, err := exec.Command(args[0], args[1:]...).CombinedOutput()
	if err != nil {
		t.Errorf("%v: %s", err, out)
	}
	return string(out)
}

// TestLostClient cuts the cable to a client. What the server sends then is not acknowledged by anybody, and user_timeout ends the
// session; a session in which nothing is sent is ended by keepalive. A session of another client goes on.
func TestLostClient(t *testing.T) {
	lab(t)
	far := newNetwork(t, "far", "198.18.8.1", "198.18.8.2", "2001:678:d78:800::1", "2001:678:d78:800::2")
	talks := maillab.NewBackend(t, "talks", maillab.BackendOptions{Address: "10.0.6.1:4001", Serve: func(c *maillab.BackendConn) {
		for {
			if _, err := c.Write([]byte("tick\n")); err != nil {
				return
			}
			time.Sleep(100 * time.Millisecond)
		}
	}})
	idle := maillab.NewBackend(t, "idle", maillab.BackendOptions{Address: "10.0.6.1:4002"})
	dir := room(t)
	write(t, filepath.Join(dir, "posthouse.yaml"), `cluster: front.test
nodes: [{host: front.lab.test, services: [balancer]}]
data_dir: state
balancer:
  talks: {listen: ["198.18.8.1:4001"], user_timeout: 2s, upstream: ["10.0.6.1:4001"]}
  idle: {listen: ["198.18.8.1:4002"], user_timeout: 2s, keepalive: 1s, upstream: ["10.0.6.1:4002"]}
`)
	lb := maillab.Start(t, dir, binary, "balancer", "--config", filepath.Join(dir, "posthouse.yaml"), "--node", "front.lab.test")
	for _, b := range []*maillab.Backend{talks, idle} {
		_, port, _ := net.SplitHostPort(b.Addr())
		maillab.WaitPort(t, "198.18.8.1:"+port)
		stay, err := net.Dial("tcp", "198.18.8.1:"+port)
		if err != nil {
			t.Fatal(err)
		}
		defer stay.Close()
		args := far.inside("bash", "-c", "exec 3<>/dev/tcp/198.18.8.1/"+port+"; sleep 3600")
		maillab.Start(t, dir, args[0], args[1:]...)
		maillab.Wait(t, maillab.Patience, "two sessions at "+b.Name, func() bool { return b.Sessions() == 2 })
	}
	shell(t, "ip", "link", "set", far.cable, "down")
	began := time.Now()
	for _, b := range []*maillab.Backend{talks, idle} {
		maillab.Wait(t, maillab.Patience, "end of the lost client's session at "+b.Name, func() bool { return b.Sessions() == 1 })
		t.Logf("%s: %v after the cable was cut", b.Name, time.Since(began).Round(100*time.Millisecond))
	}
	maillab.Wait(t, maillab.Patience, "two lines in the log", func() bool {
		return maillab.Logged(lb.Log(), `"balanced":"talks"`, `"client":"198.18.8.2:`) && maillab.Logged(lb.Log(), `"balanced":"idle"`, `"client":"198.18.8.2:`)
	})
}
