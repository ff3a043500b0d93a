// SPDX-License-Identifier: MIT

package test

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"strings"
	"testing"
	"time"

	"posthouse/internal/maillab"
)

// TestManyListeners has fifty services, each at [::] and at 0.0.0.0, so that both families have sockets of their own. Another binary
// takes all of them over.
func TestManyListeners(t *testing.T) {
	t.Parallel()
	a := maillab.NewBackend(t, "a", maillab.BackendOptions{})
	six := maillab.NewBackend(t, "b", maillab.BackendOptions{Address: door6(t)})
	var services strings.Builder
	var ports []int
	for i := range 50 {
		ports = append(ports, maillab.FreePort(t))
		fmt.Fprintf(&services, "  s%d:\n    listen: [\"[::]:%[2]d\", \"0.0.0.0:%[2]d\"]\n    upstream: [%q]\n", i, ports[i], []string{a.Addr(), six.Addr()}[i%2])
	}
	r := startReplaced(t, services.String())
	for range 2 {
		for i, port := range ports {
			want := []string{"a", "b"}[i%2]
			for _, host := range []string{"127.0.0.1", "::1"} {
				serves(t, net.JoinHostPort(host, fmt.Sprint(port)), "", want).Close()
			}
		}
		r.upgrade(t)
	}
}

// TestKeepAlive: with keepalive the system asks after silent clients and servers, without it after nobody.
func TestKeepAlive(t *testing.T) {
	t.Parallel()
	a := maillab.NewBackend(t, "a", maillab.BackendOptions{})
	with, without := door(t), door(t)
	startBalancer(t, "", service("with", with, []string{at(a, "")}, "keepalive: 1h")+service("without", without, []string{at(a, "")}))
	for address, want := range map[string]bool{with: true, without: false} {
		c := serves(t, address, "", "a")
		_, client, _ := net.SplitHostPort(c.LocalAddr().String())
		_, own, _ := net.SplitHostPort(address)
		if got := keptAlive(t, own, client); got != want {
			t.Errorf("%s is asked after: %v, want %v", address, got, want)
		}
	}
	_, server, _ := net.SplitHostPort(a.Addr())
	asked := 0
	for _, v := range a.WaitVisits(t, 2) {
		if keptAlive(t, fmt.Sprint(v.Peer.Port()), server) {
			asked++
		}
	}
	if asked != 1 {
		t.Errorf("%d of two connections to servers are asked after", asked)
	}
}

// keptAlive reports that the system's timer of a connection between two ports of this machine is that of keep-alive (proc(5), net/tcp:
// timer 02), once no other one runs.
func keptAlive(t *testing.T, local, remote string) bool {
	t.Helper()
	ends := func(port string) string {
		n, _ := new(big.Int).SetString(port, 10)
		return fmt.Sprintf(":%04X", n)
	}
	timer := ""
	maillab.Wait(t, maillab.Patience, "connection "+local+" to "+remote, func() bool {
		for line := range strings.Lines(readFile(t, "/proc/net", "tcp")) {
			f := strings.Fields(line)
			if len(f) > 5 && strings.HasSuffix(f[1], ends(local)) && strings.HasSuffix(f[2], ends(remote)) && f[3] == "01" {
				timer, _, _ = strings.Cut(f[5], ":")
				return timer != "01" // retransmission
			}
		}
		return false
	})
	return timer == "02"
}

// TestSlowStart: who comes back gets little at first, and status says why.
func TestSlowStart(t *testing.T) {
	t.Parallel()
	a, b := maillab.NewBackend(t, "a", maillab.BackendOptions{}), maillab.NewBackend(t, "b", maillab.BackendOptions{})
	listen := door(t)
	lb := startBalancer(t, "", service("s", listen, []string{at(a, "weight=10"), at(b, "weight=10")}, "slow_start: 1h", "health_check: {interval: 100ms}"))
	status := func(want string) {
		t.Helper()
		maillab.Wait(t, maillab.Patience, want, func() bool { return strings.Contains(lb.command(t, "balancer", "status").out, want) })
	}
	a.Be(t, maillab.Refuses)
	status("unhealthy")
	a.Be(t, maillab.Works)
	status("slow start")
	if got := names(t, listen, 22); strings.Count(got, "a") > 2 {
		t.Errorf("of 22 clients: %s", got)
	}
}

// TestCertificatesOfServers: a health check takes out who shows the wrong certificate, and status says what is wrong with it.
func TestCertificatesOfServers(t *testing.T) {
	t.Parallel()
	ca, stranger := maillab.NewCA(t), maillab.NewCA(t)
	old, oldPEM := expired(t, "mail.test")
	good := tlsServer(t, "good", ca.Certificate(t, "mail.test"))
	list, want := []string{at(good, "")}, []string{}
	for _, bad := range []struct {
		shown tls.Certificate
		says  string
	}{
		{ca.Certificate(t, "other.test"), "valid for other.test, not mail.test"},
		{stranger.Certificate(t, "mail.test"), "signed by unknown authority"},
		{old, "certificate has expired"},
	} {
		list, want = append(list, at(tlsServer(t, "bad", bad.shown), "")), append(want, bad.says)
	}
	listen := door(t)
	lb := newBalancer(t, "", service("s", listen, list, "health_check: {tls: implicit, tls_name: mail.test, tls_ca_file: ca.pem, interval: 200ms}"))
	writeFile(t, lb.dir, "ca.pem", string(ca.PEM())+oldPEM, 0o644)
	lb.start(t)
	for _, says := range want {
		maillab.Wait(t, maillab.Patience, says, func() bool { return strings.Contains(lb.command(t, "balancer", "status").out, says) })
	}
	for range 8 {
		c := tls.Client(dialFrom(t, listen, ""), &tls.Config{RootCAs: ca.Pool(), ServerName: "mail.test"})
		if name, err := bufio.NewReader(c).ReadString('\n'); name != "good\n" {
			t.Errorf("served by %q, %v", name, err)
		}
		c.Close()
	}
}

// tlsServer says its name over TLS.
func tlsServer(t *testing.T, name string, shown tls.Certificate) *maillab.Backend {
	t.Helper()
	return maillab.NewBackend(t, name, maillab.BackendOptions{Serve: func(c *maillab.BackendConn) {
		conn := tls.Server(c, &tls.Config{Certificates: []tls.Certificate{shown}})
		fmt.Fprintln(conn, name)
		_, _ = io.Copy(io.Discard, conn)
	}})
}

// expired is a certificate of the day before yesterday, which its own PEM vouches for.
func expired(t *testing.T, name string) (tls.Certificate, string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	c := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{name}, NotBefore: now.Add(-48 * time.Hour), NotAfter: now.Add(-24 * time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, c, c, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
}
