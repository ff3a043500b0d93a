// SPDX-License-Identifier: MIT

package listen

import (
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"posthouse/balancer/proxy"
	"posthouse/config"
)

func parse(t *testing.T, text string) ([]Config, string) {
	t.Helper()
	var into struct {
		Listen []Config `yaml:"listen"`
	}
	_, report := config.Parse("test.yaml", []byte(text), &into)
	if err := report.Err(); err != nil {
		return nil, err.Error()
	}
	return into.Listen, ""
}

func TestConfig(t *testing.T) {
	t.Parallel()
	got, problem := parse(t, `listen:
  - ":25"
  - {address: "[::]:465", tls: implicit}
  - {address: ":10587", tls: required, tls_profile: submission, proxy_protocol: required, proxy_networks: ["198.19.0.0/16"], name: proxied}
  - {address: ":465", certificates: [{certificate: a.pem, key: a.key}], certificate: b.pem, key: b.key}
`)
	if problem != "" {
		t.Fatal(problem)
	}
	if got[0].Address.Port != 25 || !got[1].Implicit() || !got[2].Proxied() || got[2].Name != "proxied" {
		t.Errorf("got %+v", got)
	}
	if got[2].Certified() || !got[3].Certified() || len(got[3].Certs.Pairs()) != 2 {
		t.Errorf("certificates %+v", got[3].Certs)
	}
	if !got[2].Trusted(netip.MustParseAddr("198.19.1.1")) || got[2].Trusted(netip.MustParseAddr("198.20.1.1")) {
		t.Error("proxy_networks")
	}
}

func TestWrongConfig(t *testing.T) {
	t.Parallel()
	cases := map[string]string{
		`listen: [{tls: implicit}]`:                                     "needs an address",
		`listen: [{address: ":25", tls: maybe}]`:                        `"maybe" is not known; it may be implicit or required`,
		`listen: [{address: ":25", tls_profile: old}]`:                  `"old" is not known; it may be port25 or submission`,
		`listen: [{address: ":25", proxy_protocol: optional}]`:          `"optional" is not known; it may be required`,
		`listen: [{address: ":25", proxy_protocol: required}]`:          "needs proxy_networks beside it",
		`listen: [{address: ":25", proxy_networks: ["198.19.0.0/16"]}]`: "has no effect without proxy_protocol: required",
		`listen: [{address: ":465", certificate: a.pem}]`:               "certificate has no key beside it",
		`listen: ["25"]`: "25",
	}
	for text, want := range cases {
		if _, problem := parse(t, text); !strings.Contains(problem, want) || !strings.Contains(problem, "test.yaml:1:") {
			t.Errorf("%s: got %q, want %q", text, problem, want)
		}
	}
}

func TestOpen(t *testing.T) {
	t.Parallel()
	for _, address := range []string{"127.0.0.1:0", ":0", "unix:" + filepath.Join(t.TempDir(), "s")} {
		var c Config
		if err := c.UnmarshalScalar(address); err != nil {
			t.Fatal(err)
		}
		l, err := Open(t.Context(), c)
		if err != nil {
			t.Fatal(err)
		}
		conn, err := net.Dial(l.Addr().Network(), l.Addr().String())
		if err != nil {
			t.Errorf("%s: %v", address, err)
		} else {
			conn.Close()
		}
		l.Close()
	}
}

// TestFamilies: [::] is IPv6 alone, so that 0.0.0.0 may stand beside it on the same port.
func TestFamilies(t *testing.T) {
	t.Parallel()
	for host, want := range map[string]string{"": "tcp", "::": "tcp6", "0.0.0.0": "tcp4", "::1": "tcp6", "mx.test": "tcp"} {
		if got := family(host); got != want {
			t.Errorf("%q: %s, want %s", host, got, want)
		}
	}
}

func TestPortInUse(t *testing.T) {
	t.Parallel()
	first, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer first.Close()
	var c Config
	if err := c.UnmarshalScalar(first.Addr().String()); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(t.Context(), c); err == nil || !strings.Contains(err.Error(), "another process has that port") {
		t.Errorf("got %v", err)
	}
}

// TestStaleSocket: what a killed process left behind is in nobody's way; a living one is.
func TestStaleSocket(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "s")
	left, err := net.ListenUnix("unix", &net.UnixAddr{Name: path})
	if err != nil {
		t.Fatal(err)
	}
	left.SetUnlinkOnClose(false)
	left.Close()
	c := Config{Address: config.Address{Network: "unix", Path: path}}
	l, err := Open(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if _, err := Open(t.Context(), c); err == nil || !strings.Contains(err.Error(), "another process answers there") {
		t.Errorf("got %v", err)
	}
}

func TestInherited(t *testing.T) {
	t.Parallel()
	env := func(pid, fds, names string) func(string) string {
		return func(k string) string {
			return map[string]string{"LISTEN_PID": pid, "LISTEN_FDS": fds, "LISTEN_FDNAMES": names}[k]
		}
	}
	cases := []struct {
		env  func(string) string
		name string
		fd   int
		ok   bool
	}{
		{env("7", "2", "smtp:smtps"), "smtps", 4, true},
		{env("7", "2", "smtp:smtps"), "smtp", 3, true},
		{env("7", "1", "smtp:smtps"), "smtps", 0, false},
		{env("8", "2", "smtp:smtps"), "smtp", 0, false},
		{env("7", "x", "smtp"), "smtp", 0, false},
		{env("7", "1", ""), "", 0, false},
		{env("", "", ""), "smtp", 0, false},
	}
	for i, c := range cases {
		if fd, ok := inherited(7, c.env, c.name); fd != c.fd || ok != c.ok {
			t.Errorf("%d: %d, %v", i, fd, ok)
		}
	}
}

func TestAdopt(t *testing.T) {
	t.Parallel()
	first, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer first.Close()
	f, err := first.(*net.TCPListener).File()
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for range 2 { // the descriptor stays
		l, err := adopt(int(f.Fd()), "smtp")
		if err != nil {
			t.Fatal(err)
		}
		if l.Addr().String() != first.Addr().String() {
			t.Errorf("listens on %s", l.Addr())
		}
		l.Close()
	}
	plain, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer plain.Close()
	if _, err := adopt(int(plain.Fd()), "smtp"); err == nil || !strings.Contains(err.Error(), `"smtp"`) {
		t.Errorf("got %v", err)
	}
}

func TestAddr(t *testing.T) {
	t.Parallel()
	mapped := &net.TCPAddr{IP: net.ParseIP("::ffff:192.0.2.1"), Port: 25}
	if got := Addr(mapped).String(); got != "192.0.2.1:25" {
		t.Errorf("got %s", got)
	}
	if got := Addr(&net.UnixAddr{Name: "/x"}); got.IsValid() {
		t.Errorf("got %s", got)
	}
}

// pipe is a connection with a TCP peer.
type pipe struct {
	net.Conn
	peer net.Addr
}

func (p pipe) RemoteAddr() net.Addr { return p.peer }

func announce(t *testing.T, from, header string) (rest string, ends Ends, err error) {
	t.Helper()
	client, server := net.Pipe()
	defer client.Close()
	go func() {
		_, _ = io.WriteString(client, header)
		client.Close()
	}()
	c := Config{ProxyProtocol: "required", ProxyNetworks: []config.Network{{Prefix: netip.MustParsePrefix("198.19.0.0/16")}}}
	conn, ends, err := c.Announce(pipe{server, &net.TCPAddr{IP: net.ParseIP(from), Port: 1}})
	if err != nil {
		return "", ends, err
	}
	b, err := io.ReadAll(conn)
	return string(b), ends, err
}

func TestAnnounce(t *testing.T) {
	t.Parallel()
	rest, ends, err := announce(t, "198.19.0.1", "PROXY TCP4 192.0.2.1 192.0.2.2 40000 25\r\nEHLO x\r\n")
	if err != nil || rest != "EHLO x\r\n" || ends.Client.String() != "192.0.2.1:40000" || ends.Server.String() != "192.0.2.2:25" || ends.Local {
		t.Errorf("%q %+v %v", rest, ends, err)
	}
	if _, ends, err := announce(t, "198.19.0.1", "PROXY UNKNOWN\r\n"); err != nil || !ends.Local || ends.Client.IsValid() {
		t.Errorf("%+v %v", ends, err)
	}
	if _, _, err := announce(t, "192.0.2.9", "PROXY TCP4 192.0.2.1 192.0.2.2 40000 25\r\n"); !errors.Is(err, ErrStranger) {
		t.Errorf("%v", err)
	}
}

// TestAnnounceInPieces: a header that comes octet by octet is one; a checksum that is wrong makes it none.
func TestAnnounceInPieces(t *testing.T) {
	t.Parallel()
	client, server := net.Pipe()
	defer client.Close()
	go func() {
		for _, b := range []byte("PROXY TCP6 2001:db8::1 2001:db8::2 40000 25\r\nEHLO x\r\n") {
			_, _ = client.Write([]byte{b})
		}
		client.Close()
	}()
	c := Config{ProxyProtocol: "required", ProxyNetworks: []config.Network{{Prefix: netip.MustParsePrefix("198.19.0.0/16")}}}
	conn, ends, err := c.Announce(pipe{server, &net.TCPAddr{IP: net.ParseIP("198.19.0.1"), Port: 1}})
	if err != nil || ends.Client.String() != "[2001:db8::1]:40000" {
		t.Fatalf("%+v %v", ends, err)
	}
	if b, err := io.ReadAll(conn); string(b) != "EHLO x\r\n" || err != nil {
		t.Errorf("%q %v", b, err)
	}
	wrong := "\r\n\r\n\x00\r\nQUIT\n\x21\x11\x00\x13\xc0\x00\x02\x01\xc0\x00\x02\x02\x9c\x40\x00\x19\x03\x00\x04abcd"
	if _, _, err := announce(t, "198.19.0.1", wrong); !errors.Is(err, proxy.ErrHeader) {
		t.Errorf("%v", err)
	}
}

// FuzzAnnounce: a header is believed or refused, never a crash, and never an address without one.
func FuzzAnnounce(f *testing.F) {
	f.Add("PROXY TCP4 192.0.2.1 192.0.2.2 40000 25\r\nEHLO x\r\n")
	f.Add("PROXY UNKNOWN\r\n")
	f.Add("\r\n\r\n\x00\r\nQUIT\n\x21\x11\x00\x0c\xc0\x00\x02\x01\xc0\x00\x02\x02\x9c\x40\x00\x19EHLO x\r\n")
	f.Add("\r\n\r\n\x00\r\nQUIT\n\x20\x00\x00\x00")
	f.Fuzz(func(t *testing.T, header string) {
		rest, ends, err := announce(t, "198.19.0.1", header)
		if err != nil {
			return
		}
		if ends.Local == ends.Client.IsValid() || !strings.HasSuffix(header, rest) {
			t.Fatalf("%q: %+v, rest %q", header, ends, rest)
		}
	})
}
