// SPDX-License-Identifier: MIT

//go:build interop

package proxy

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/netip"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/pires/go-proxyproto"

	"posthouse/internal/maillab"
)

// port is that of a listener on loopback.
func port(l net.Listener) int { return l.Addr().(*net.TCPAddr).Port }

// dial connects, says something first, and gives the patience that a test has.
func dial(t *testing.T, network, address, first string) net.Conn {
	t.Helper()
	conn, err := net.DialTimeout(network, address, maillab.Patience)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	conn.SetDeadline(time.Now().Add(maillab.Patience))
	if _, err := io.WriteString(conn, first); err != nil {
		t.Fatal(err)
	}
	return conn
}

// accepted reads the header of the next connection, and the line behind it.
func accepted(t *testing.T, l net.Listener) (Header, string) {
	t.Helper()
	l.(*net.TCPListener).SetDeadline(time.Now().Add(maillab.Patience))
	conn, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(maillab.Patience))
	h, rest, err := Read(conn)
	if err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(io.MultiReader(strings.NewReader(string(rest)), conn)).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	return h, line
}

// expect compares an announced client with a connection's own end.
func expect(t *testing.T, h Header, line string, client, server net.Addr) {
	t.Helper()
	if h.Local || h.Source.String() != client.String() || h.Destination.String() != server.String() || line != "hello\n" {
		t.Errorf("read %+v and %q; want %s to %s", h, line, client, server)
	}
}

// values are the TLVs of a kind.
func values(h Header, kind proxyproto.PP2Type) (all []string) {
	for _, v := range h.TLVs {
		if v.Type == kind {
			all = append(all, string(v.Value))
		}
	}
	return all
}

// TestHAProxyWrites: what HAProxy writes is read right: both versions, IPv4 and IPv6, its checksum and id, clients on unix sockets, its
// own health checks.
func TestHAProxyWrites(t *testing.T) {
	t.Parallel()
	one, two, own := maillab.Listen(t), maillab.Listen(t), maillab.Listen(t)
	four, six, both, sock := maillab.FreePort(t), maillab.FreePort(t), maillab.FreePort(t), filepath.Join(maillab.Room(t, "proxy-", "go test -tags interop ./balancer/proxy"), "s")
	maillab.HAProxy(t, fmt.Sprintf(`
listen v1
  bind 127.0.0.1:%d
  bind [::1]:%d
  bind unix@%s1
  server s 127.0.0.1:%d send-proxy
listen v2
  bind 127.0.0.1:%d
  bind [::1]:%d
  bind unix@%s2
  unique-id-format id-%%ci-%%cp
  server s 127.0.0.1:%d send-proxy-v2 proxy-v2-options crc32c,unique-id
backend checked
  server s 127.0.0.1:%d check inter 100ms send-proxy-v2
`, four, six, sock, port(one), both, both, sock, port(two), port(own)), four, six, both)
	for _, c := range []struct {
		network, address string
		to               net.Listener
	}{
		{"tcp", maillab.Local(four), one}, {"tcp", fmt.Sprintf("[::1]:%d", six), one},
		{"tcp", maillab.Local(both), two}, {"tcp", fmt.Sprintf("[::1]:%d", both), two},
	} {
		conn := dial(t, c.network, c.address, "hello\n")
		h, line := accepted(t, c.to)
		expect(t, h, line, conn.LocalAddr(), conn.RemoteAddr())
		if c.to == two {
			client := conn.LocalAddr().(*net.TCPAddr)
			if got := values(h, proxyproto.PP2_TYPE_UNIQUE_ID); len(got) != 1 || got[0] != fmt.Sprintf("id-%s-%d", client.IP, client.Port) {
				t.Errorf("unique id %q", got)
			}
			if len(values(h, proxyproto.PP2_TYPE_CRC32C)) != 1 {
				t.Errorf("no CRC32C in %v", h.TLVs)
			}
		}
	}
	for suffix, to := range map[string]net.Listener{"1": one, "2": two} {
		dial(t, "unix", sock+suffix, "hello\n")
		if h, line := accepted(t, to); !h.Local || h.Source.IsValid() || line != "hello\n" {
			t.Errorf("for a client on a unix socket: %+v %q", h, line)
		}
	}
	checked(t, own)
}

// checked expects a health check's header, with nothing behind it.
func checked(t *testing.T, l net.Listener) {
	t.Helper()
	l.(*net.TCPListener).SetDeadline(time.Now().Add(maillab.Patience))
	conn, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(maillab.Patience))
	if h, rest, err := Read(conn); err != nil || !h.Local || len(rest) != 0 {
		t.Errorf("a health check: %+v %q %v", h, rest, err)
	}
}

// TestNGINXWrites: and what NGINX writes.
func TestNGINXWrites(t *testing.T) {
	t.Parallel()
	l := maillab.Listen(t)
	p := maillab.FreePort(t)
	maillab.NGINX(t, fmt.Sprintf("server { listen 127.0.0.1:%d; listen [::1]:%d; proxy_pass 127.0.0.1:%d; proxy_protocol on; }", p, p, port(l)))
	for _, address := range []string{maillab.Local(p), fmt.Sprintf("[::1]:%d", p)} {
		conn := dial(t, "tcp", address, "hello\n")
		h, line := accepted(t, l)
		expect(t, h, line, conn.LocalAddr(), conn.RemoteAddr())
	}
}

// writings are the clients of the tests of what we write: one of each family, and one that came by both.
func writings() []Header {
	return []Header{
		ends("192.0.2.1:40000", "192.0.2.2:25"),
		ends("[2001:db8::1]:40001", "[2001:db8::2]:25"),
		ends("192.0.2.1:40002", "[2001:db8::2]:25"),
		with(ends("192.0.2.3:40003", "192.0.2.2:993"), proxyproto.TLV{Type: proxyproto.PP2_TYPE_AUTHORITY, Value: []byte("mail.test")},
			proxyproto.TLV{Type: proxyproto.PP2_TYPE_UNIQUE_ID, Value: []byte("id")}, proxyproto.TLV{Type: 0xe0, Value: []byte("ours")}, proxyproto.TLV{Type: proxyproto.PP2_TYPE_CRC32C}),
	}
}

// TestHAProxyReads: HAProxy takes what we write, and announces the same client to the next server. A CRC32C that is wrong it does not
// take, so it looks at ours.
func TestHAProxyReads(t *testing.T) {
	t.Parallel()
	l := maillab.Listen(t)
	p := maillab.FreePort(t)
	maillab.HAProxy(t, fmt.Sprintf("listen in\n  bind 127.0.0.1:%d accept-proxy\n  server s 127.0.0.1:%d send-proxy-v2\n", p, port(l)), p)
	for _, want := range writings() {
		for version := 1; version <= 2; version++ {
			dial(t, "tcp", maillab.Local(p), string(want.Append(nil, version))+"hello\n")
			h, line := accepted(t, l)
			if h.Source != want.Source || h.Destination != want.Destination || line != "hello\n" {
				t.Errorf("version %d: HAProxy read %+v instead of %+v; %q", version, h, want, line)
			}
		}
	}
	for version := 1; version <= 2; version++ {
		conn := dial(t, "tcp", maillab.Local(p), string(Header{Local: true}.Append(nil, version))+"hello\n")
		if h, line := accepted(t, l); h.Source.String() != conn.LocalAddr().String() || line != "hello\n" {
			t.Errorf("version %d: for nobody HAProxy read %+v; %q", version, h, line)
		}
	}
	broken := writings()[3].Append(nil, 2)
	broken[len(broken)-1] ^= 1
	conn := dial(t, "tcp", maillab.Local(p), string(broken)+"hello\n")
	if b, _ := io.ReadAll(conn); len(b) != 0 {
		t.Errorf("HAProxy answered %q", b)
	}
}

// TestNGINXReads: NGINX shows what it understood.
func TestNGINXReads(t *testing.T) {
	t.Parallel()
	p := maillab.FreePort(t)
	maillab.NGINX(t, fmt.Sprintf(`server { listen 127.0.0.1:%d proxy_protocol;
return "$proxy_protocol_addr $proxy_protocol_port $proxy_protocol_server_addr $proxy_protocol_server_port"; }`, p))
	for _, want := range writings() {
		for version := 1; version <= 2; version++ {
			conn := dial(t, "tcp", maillab.Local(p), string(want.Append(nil, version)))
			b, err := io.ReadAll(conn)
			f := strings.Fields(string(b))
			if err != nil || len(f) != 4 {
				t.Errorf("version %d of %+v: %q, %v", version, want, b, err)
				continue
			}
			source, err := netip.ParseAddr(f[0])
			if err != nil || source.Unmap() != want.Source.Addr() || f[1] != fmt.Sprint(want.Source.Port()) || f[3] != fmt.Sprint(want.Destination.Port()) {
				t.Errorf("version %d: NGINX read %q instead of %+v", version, b, want)
			}
		}
	}
	for version := 1; version <= 2; version++ {
		conn := dial(t, "tcp", maillab.Local(p), string(Header{Local: true}.Append(nil, version)))
		if b, err := io.ReadAll(conn); err != nil || strings.TrimSpace(string(b)) != "" {
			t.Errorf("version %d: for nobody NGINX read %q, %v", version, b, err)
		}
	}
}

// TestDovecotReads: Dovecot logs who logged in.
func TestDovecotReads(t *testing.T) {
	t.Parallel()
	d := maillab.NewDovecot(t, "127.0.0.1")
	for i, want := range writings() {
		for version := 1; version <= 2; version++ {
			for range 8 * (i + 1) { // so that each try has an address of its own
				want.Source = netip.AddrPortFrom(want.Source.Addr().Next(), want.Source.Port())
			}
			conn := dial(t, "tcp", maillab.Local(d.ProxyIMAP), string(want.Append(nil, version)))
			r := bufio.NewReader(conn)
			if line, err := r.ReadString('\n'); err != nil || !strings.HasPrefix(line, "* OK") {
				t.Errorf("version %d of %+v: %q, %v", version, want, line, err)
				continue
			}
			io.WriteString(conn, "a LOGIN alice secret\r\nb LOGOUT\r\n")
			io.ReadAll(r)
			log := fmt.Sprintf("rip=%s,", want.Source.Addr())
			if !want.v4() && want.Source.Addr().Is4() {
				log = fmt.Sprintf("rip=::ffff:%s,", want.Source.Addr())
			}
			maillab.Wait(t, maillab.Patience, log, func() bool { return strings.Contains(d.Log(), log) })
		}
	}
	for version := 1; version <= 2; version++ {
		conn := dial(t, "tcp", maillab.Local(d.ProxyIMAP), string(Header{Local: true}.Append(nil, version)))
		if line, err := bufio.NewReader(conn).ReadString('\n'); err != nil || !strings.HasPrefix(line, "* OK") {
			t.Errorf("version %d for nobody: %q, %v", version, line, err)
		}
	}
}

// TestPostfixReads: Postfix logs who connects. UNKNOWN it answers with 421, and LOCAL it takes for what it is.
func TestPostfixReads(t *testing.T) {
	t.Parallel()
	plain, behind := maillab.FreePort(t), maillab.FreePort(t)
	p := maillab.StartPostfix(t, maillab.PostfixOptions{
		Main: "inet_interfaces = 127.0.0.1\nsmtpd_peername_lookup = no\n",
		Master: fmt.Sprintf("127.0.0.1:%d inet n - n - - smtpd\n127.0.0.1:%d inet n - n - - smtpd -o smtpd_upstream_proxy_protocol=haproxy\n",
			plain, behind),
		Address: maillab.Local(plain),
	})
	greeting := func(h Header, version int, want string) {
		conn := dial(t, "tcp", maillab.Local(behind), string(h.Append(nil, version)))
		line, err := bufio.NewReader(conn).ReadString('\n')
		if err != nil || !strings.HasPrefix(line, want) {
			t.Errorf("version %d of %+v: %q, %v", version, h, line, err)
		}
		io.WriteString(conn, "QUIT\r\n")
	}
	for i, h := range writings() {
		for version := 1; version <= 2; version++ {
			for range 8 * (i + 1) { // so that each try has an address of its own
				h.Source = netip.AddrPortFrom(h.Source.Addr().Next(), h.Source.Port())
			}
			greeting(h, version, "220")
			log := fmt.Sprintf(" connect from unknown[%s]", h.Source.Addr())
			maillab.Wait(t, maillab.Patience, log, func() bool { return strings.Contains(p.Log(), log) })
		}
	}
	greeting(Header{Local: true}, 1, "421")
	greeting(Header{Local: true}, 2, "220")
}
