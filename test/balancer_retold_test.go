// SPDX-License-Identifier: MIT

package test

import (
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"posthouse/internal/maillab"
)

// TestRetold are the scenarios of nginx-tests' stream_*.t, told again in our own words; each carries its file's name. Left out is
// what a balancer of TCP for mail has no part in:
//
//   - stream_udp_*: UDP.
//   - stream_ssl*, stream_proxy_ssl*, stream_upstream_zone_ssl: TLS ends at the servers, never here.
//   - stream_map, stream_geo*, stream_geoip, stream_set, stream_split_clients, stream_variables, stream_server_name, stream_pass,
//     stream_js*, stream_limit_conn_complex's variables, stream_proxy_complex: variables and modules that answer by themselves.
//   - stream_limit_rate*, stream_proxy_bind: there are no such keys.
//   - stream_upstream_random, stream_upstream_least_time: there are no such methods.
//   - stream_upstream_service*: SRV records.
//   - stream_upstream_zone: counters that several workers share; there is one process here.
//   - stream_access_log*, stream_error_log, stream_status_variable: the formats are NGINX's own. What is logged here stands in
//     TestSessionLog.
func TestRetold(t *testing.T) {
	t.Parallel()
	for name, scenario := range map[string]func(*testing.T){
		"stream_access":              retoldAccess,
		"stream_access by PROXY":     retoldAccessByProxy,
		"stream_limit_conn":          retoldLimitConn,
		"stream_limit_conn_complex":  retoldLimitConnPerService,
		"stream_limit_conn_dry_run":  retoldLimitConnAnnounced,
		"stream_proxy":               retoldProxy,
		"stream_proxy_half_close":    retoldHalfClose,
		"stream_proxy_next_upstream": retoldNextUpstream,
		"stream_proxy_protocol":      retoldProxyProtocol,
		"stream_proxy_protocol_ipv6": retoldProxyProtocolIPv6,
		"stream_proxy_protocol2_tlv": retoldTLV,
		"stream_realip":              retoldRealIP,
		"stream_resolver":            retoldResolvedTries,
		"stream_tcp_nodelay":         retoldSmallWrites,
		"stream_unix":                retoldUnix,
		"stream_upstream":            retoldUpstream,
		"stream_upstream_hash":       retoldHash,
		"stream_upstream_least_conn": retoldLeastConn,
		"stream_upstream_max_conns":  retoldMaxConns,
		"stream_upstream_resolve":    retoldResolve,
		"stream_upstream_resolver":   retoldResolver,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			scenario(t)
		})
	}
}

// door is a free address for a listener.
func door(t *testing.T) string { return maillab.Local(maillab.FreePort(t)) }

// door6 is one of IPv6.
func door6(t *testing.T) string { return fmt.Sprintf("[::1]:%d", maillab.FreePort(t)) }

// serves wants a client to be served by one of these, or by nobody ("").
func serves(t *testing.T, address, from, want string) *caller {
	t.Helper()
	c := call(t, address, from, maillab.Patience)
	if c.name != want {
		t.Errorf("%s from %q: served by %q (%v), want %q", address, from, c.name, c.err, want)
	}
	return c
}

// announced connects as a balancer in front would, with this header, and reads the name.
func announced(t *testing.T, address, header string) *caller {
	t.Helper()
	c := dialFrom(t, address, "")
	if _, err := io.WriteString(c, header); err != nil {
		t.Fatal(err)
	}
	c.name, c.err = c.line()
	return c
}

// v1 is a header of version 1 for a client.
func v1(client string) string {
	family, at := "TCP4", "192.0.2.2"
	if strings.Contains(client, ":") {
		family, at = "TCP6", "2001:db8::2"
	}
	return fmt.Sprintf("PROXY %s %s %s 1234 5678\r\n", family, client, at)
}

func retoldAccess(t *testing.T) {
	a := maillab.NewBackend(t, "a", maillab.BackendOptions{})
	dir := maillab.Room(t, "lists-", "go test ./test")
	writeFile(t, dir, "office", "# the office\n127.0.0.2\n\n::1/128\n", 0o644)
	var services strings.Builder
	type server struct{ four, six, unix string }
	servers := map[string]server{}
	for name, lines := range map[string][]string{
		"all":       nil,
		"nobody":    {`deny: ["0.0.0.0/0", "::/0"]`},
		"not_four":  {`deny: ["127.0.0.0/8"]`},
		"not_six":   {`deny: ["::1"]`},
		"only_six":  {`allow: ["::1"]`},
		"only_2":    {`allow: ["127.0.0.2"]`},
		"net_not_2": {`allow: ["127.0.0.0/8"]`, `deny: ["127.0.0.2"]`},
		"file":      {fmt.Sprintf(`allow: [%q]`, filepath.Join(dir, "office"))},
	} {
		s := server{door(t), door6(t), filepath.Join(dir, name)}
		servers[name] = s
		services.WriteString(strings.Replace(service(name, s.four, []string{at(a, "")}, lines...), fmt.Sprintf("[%q]", s.four),
			fmt.Sprintf("[%q, %q, %q]", s.four, s.six, "unix:"+s.unix), 1))
	}
	startBalancer(t, "", services.String())
	// 127.0.0.1, 127.0.0.2, ::1, and a unix socket, where the modes of its folder say who may connect: NGINX's "deny all" has no other word
	for name, want := range map[string]string{
		"all": "aaaa", "nobody": "---a", "not_four": "--aa", "not_six": "aa-a", "only_six": "--a-", "only_2": "-a--", "net_not_2": "a---", "file": "-aa-",
	} {
		s, got := servers[name], ""
		for _, way := range [][2]string{{s.four, "127.0.0.1"}, {s.four, "127.0.0.2"}, {s.six, ""}, {s.unix, ""}} {
			c := call(t, way[0], way[1], maillab.Patience)
			got += nobody(c.name)
			if c.name == "" {
				c.closed(t)
			}
		}
		if got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
}

// The lists are about the announced client, not about the balancer in front.
func retoldAccessByProxy(t *testing.T) {
	a, listen := maillab.NewBackend(t, "a", maillab.BackendOptions{}), door(t)
	startBalancer(t, "", proxied(service("s", listen, []string{at(a, "")}, `allow: ["192.0.2.0/24", "2001:db8::/32"]`, `deny: ["192.0.2.128/25"]`), listen, "127.0.0.0/8"))
	for client, want := range map[string]string{"192.0.2.1": "a", "192.0.2.129": "", "127.0.0.1": "", "2001:db8::9": "a", "2001:db9::9": ""} {
		if c := announced(t, listen, v1(client)); c.name != want {
			t.Errorf("%s is served by %q (%v), want %q", client, c.name, c.err, want)
		}
	}
}

// proxied makes a service's listener one behind a balancer.
func proxied(service, listen, networks string) string {
	return strings.Replace(service, fmt.Sprintf("[%q]", listen),
		fmt.Sprintf("[{address: %q, proxy_protocol: required, proxy_networks: [%q]}]", listen, networks), 1)
}

func retoldLimitConn(t *testing.T) {
	a := maillab.NewBackend(t, "a", maillab.BackendOptions{})
	one, five := door(t), door(t)
	startBalancer(t, "", service("one", one, []string{at(a, "")}, "client_connection_count_limit: 1")+
		service("five", five, []string{at(a, "")}, "client_connection_count_limit: 5"))
	long := serves(t, one, "127.0.0.1", "a")
	serves(t, one, "127.0.0.1", "")
	serves(t, one, "127.0.0.2", "a") // another client
	for range 5 {
		serves(t, five, "127.0.0.1", "a")
	}
	serves(t, five, "127.0.0.1", "")
	long.says(t, "still here")
	long.Close()
	maillab.Wait(t, maillab.Patience, "place for the next one", func() bool {
		c := call(t, one, "127.0.0.1", maillab.Patience)
		return c.name == "a"
	})
}

func retoldLimitConnPerService(t *testing.T) {
	a := maillab.NewBackend(t, "a", maillab.BackendOptions{})
	one, other := door(t), door(t)
	startBalancer(t, "", service("one", one, []string{at(a, "")}, "client_connection_count_limit: 1")+
		service("other", other, []string{at(a, "")}, "client_connection_count_limit: 1"))
	serves(t, one, "", "a")
	serves(t, one, "", "")
	serves(t, other, "", "a")
}

// The limit counts announced clients, and spares mynetworks.
func retoldLimitConnAnnounced(t *testing.T) {
	a, listen := maillab.NewBackend(t, "a", maillab.BackendOptions{}), door(t)
	startBalancer(t, "mynetworks: [\"198.51.100.0/24\"]\n", proxied(service("s", listen, []string{at(a, "")}, "client_connection_count_limit: 1"), listen, "127.0.0.0/8"))
	for _, step := range [][2]string{{"192.0.2.1", "a"}, {"192.0.2.1", ""}, {"192.0.2.2", "a"}, {"198.51.100.1", "a"}, {"198.51.100.1", "a"}} {
		if c := announced(t, listen, v1(step[0])); c.name != step[1] {
			t.Errorf("%s is served by %q (%v), want %q", step[0], c.name, c.err, step[1])
		}
	}
}

func retoldProxy(t *testing.T) {
	a, listen := maillab.NewBackend(t, "a", maillab.BackendOptions{}), door(t)
	startBalancer(t, "", service("s", listen, []string{at(a, "")}, "connect_timeout: 1s", "timeout: 2s"))
	began := time.Now()
	idle, busy := serves(t, listen, "", "a"), serves(t, listen, "", "a")
	for range 10 {
		time.Sleep(300 * time.Millisecond) // a client's pace
		busy.says(t, "x")
	}
	if idle.closed(t); time.Since(began) > 8*time.Second {
		t.Errorf("the idle session lasted %v", time.Since(began))
	}
	busy.says(t, "one that talks stays")
	c := serves(t, listen, "", "a")
	c.says(t, "one")
	time.Sleep(1100 * time.Millisecond) // connect_timeout is about connecting, and must have ended with that
	c.says(t, "two")
	a.Kill(t)
	c.closed(t)
}

// An end of one side is passed on, and the other way stays open.
func retoldHalfClose(t *testing.T) {
	servers := make(chan *maillab.BackendConn, 2)
	over := make(chan struct{})
	a := maillab.NewBackend(t, "a", maillab.BackendOptions{Serve: func(c *maillab.BackendConn) { servers <- c; <-over }})
	t.Cleanup(func() { close(over) })
	listen := door(t)
	startBalancer(t, "", service("s", listen, []string{at(a, "")}))
	t.Run("server", func(t *testing.T) {
		c := dialFrom(t, listen, "")
		s := <-servers
		s.Conn.(*net.TCPConn).CloseWrite()
		if _, err := c.line(); err != io.EOF {
			t.Fatalf("the client sees %v", err)
		}
		io.WriteString(c, "SEE\n")
		if got, err := s.R.ReadString('\n'); got != "SEE\n" {
			t.Errorf("the server gets %q, %v", got, err)
		}
	})
	t.Run("client", func(t *testing.T) {
		c := dialFrom(t, listen, "")
		io.WriteString(c, "last words\n")
		c.Conn.(*net.TCPConn).CloseWrite()
		s := <-servers
		if got, err := io.ReadAll(s.R); string(got) != "last words\n" || err != nil {
			t.Fatalf("the server gets %q, %v", got, err)
		}
		answer := strings.Repeat("answer\n", 100_000)
		go io.WriteString(s, answer)
		got := make([]byte, len(answer))
		if _, err := io.ReadFull(c, got); err != nil || string(got) != answer {
			t.Errorf("the answer is cut: %v", err)
		}
		s.Conn.(*net.TCPConn).CloseWrite()
		c.closed(t)
	})
}

func retoldNextUpstream(t *testing.T) {
	a, b, c := backends3(t)
	a.Be(t, maillab.Refuses)
	b.Be(t, maillab.Refuses)
	off, on, two, down := door(t), door(t), door(t), door(t)
	list := []string{at(a, "max_fails=0"), at(b, "max_fails=0"), at(c, "backup")}
	startBalancer(t, "", service("off", off, list, "next_upstream: false")+
		service("on", on, []string{at(a, ""), at(c, "backup")})+
		service("two", two, list, "next_upstream_tries: 2")+
		service("down", down, []string{at(a, ""), at(c, "down")}))
	for address, want := range map[string]string{off: "- - -", on: "c c c", two: "- - -", down: "- - -"} {
		if got := names(t, address, 3); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
}

func backends3(t *testing.T) (a, b, c *maillab.Backend) {
	t.Helper()
	return maillab.NewBackend(t, "a", maillab.BackendOptions{}), maillab.NewBackend(t, "b", maillab.BackendOptions{}),
		maillab.NewBackend(t, "c", maillab.BackendOptions{})
}

func retoldProxyProtocol(t *testing.T) {
	a, plain := maillab.NewBackend(t, "a", maillab.BackendOptions{Proxy: true}), maillab.NewBackend(t, "plain", maillab.BackendOptions{})
	on, two, off := door(t), door(t), door(t)
	startBalancer(t, "", service("on", on, []string{at(a, "")}, "proxy_protocol: v1")+service("two", two, []string{at(a, "")}, "proxy_protocol: v2")+
		service("off", off, []string{at(plain, "")}))
	for i, listen := range []string{on, two} {
		c := serves(t, listen, "127.0.0.7", "a")
		v := a.WaitVisits(t, i+1)[i]
		if v.Client.String() != c.LocalAddr().String() || v.Client.Addr().String() != "127.0.0.7" {
			t.Errorf("announced is %v, not %v, by %q", v.Client, c.LocalAddr(), v.Header)
		}
		if _, port, _ := net.SplitHostPort(listen); i == 0 && !strings.HasSuffix(v.Header, " "+port+"\r\n") {
			t.Errorf("header %q does not end in the port %s", v.Header, port)
		}
		c.says(t, "what follows the header")
	}
	c := serves(t, off, "", "plain")
	c.says(t, "nothing before this")
}

func retoldProxyProtocolIPv6(t *testing.T) {
	a := maillab.NewBackend(t, "a", maillab.BackendOptions{Proxy: true})
	one, two, port := door6(t), door6(t), maillab.FreePort(t)
	startBalancer(t, "", service("one", one, []string{at(a, "")}, "proxy_protocol: v1")+service("two", two, []string{at(a, "")}, "proxy_protocol: v2")+
		service("both", fmt.Sprintf(":%d", port), []string{at(a, "")}, "proxy_protocol: v1"))
	for i, listen := range []string{one, two} {
		c := serves(t, listen, "", "a")
		if v := a.WaitVisits(t, i+1)[i]; v.Client.String() != c.LocalAddr().String() {
			t.Errorf("announced is %v by %q, not %v", v.Client, v.Header, c.LocalAddr())
		}
	}
	serves(t, fmt.Sprintf("127.0.0.1:%d", port), "127.0.0.8", "a")
	serves(t, fmt.Sprintf("[::1]:%d", port), "", "a")
	v := a.WaitVisits(t, 4)
	for i, want := range map[int]string{0: "PROXY TCP6 ::1 ::1 ", 2: "PROXY TCP4 127.0.0.8 127.0.0.1 ", 3: "PROXY TCP6 ::1 ::1 "} {
		if !strings.HasPrefix(v[i].Header, want) {
			t.Errorf("header %q", v[i].Header)
		}
	}
}

// retoldTLV sends attachments through: what a balancer in front knew is there at the end.
func retoldTLV(t *testing.T) {
	headers := make(chan maillab.ProxyHeader, 4)
	a := maillab.NewBackend(t, "a", maillab.BackendOptions{Serve: func(c *maillab.BackendConn) {
		h, err := maillab.ReadProxyHeader(c.R)
		if err != nil {
			t.Error(err)
		}
		headers <- h
		fmt.Fprintln(c, "a")
		io.Copy(io.Discard, c)
	}})
	listen := door(t)
	startBalancer(t, "", proxied(service("s", listen, []string{at(a, "")}, "proxy_protocol: v2"), listen, "127.0.0.0/8"))
	ssl := "\x01\x00\x00\x00\xff" + tlv(0x21, "TLSv1.2") + tlv(0x22, "example.com") + tlv(0x23, "AES256-SHA")
	attached := []maillab.TLV{{Type: 1, Value: "ALPN1"}, {Type: 2, Value: "localhost"}, {Type: 5, Value: "UNIQQ"}, {Type: 0x30, Value: "NETNS"},
		{Type: 0xae, Value: "12345"}, {Type: 0x20, Value: ssl}, {Type: 0xee, Value: strings.Repeat("x", 1500)}}
	body := "\xc0\x00\x02\x01\xc0\x00\x02\x02\x00\x7b\x16\x2e"
	for _, a := range attached {
		body += tlv(a.Type, a.Value)
	}
	c := announced(t, listen, v2header(body))
	if c.name != "a" {
		t.Fatalf("not served: %v", c.err)
	}
	h := <-headers
	if h.Client.String() != "192.0.2.1:123" || h.At.String() != "192.0.2.2:5678" || h.Version != 2 {
		t.Errorf("announced is %v at %v", h.Client, h.At)
	}
	for _, want := range attached {
		if !hasTLV(h, want) {
			t.Errorf("attachment %#x is lost", want.Type)
		}
	}
	if c := announced(t, listen, v2header(body[:12]+tlv(3, "4321"))); c.name != "" {
		t.Error("a header with a wrong checksum is believed")
	}
}

func tlv(kind byte, value string) string {
	return string([]byte{kind, byte(len(value) >> 8), byte(len(value))}) + value
}

// v2header is a header of version 2 over IPv4 with these addresses, ports and attachments.
func v2header(body string) string {
	return "\r\n\r\n\x00\r\nQUIT\n\x21\x11" + string([]byte{byte(len(body) >> 8), byte(len(body))}) + body
}

func hasTLV(h maillab.ProxyHeader, want maillab.TLV) bool {
	for _, got := range h.Attachments {
		if got == want {
			return true
		}
	}
	return false
}

func retoldRealIP(t *testing.T) {
	a := maillab.NewBackend(t, "a", maillab.BackendOptions{Proxy: true})
	trusted, untrusted, six := door(t), door(t), door6(t)
	startBalancer(t, "", proxied(service("trusted", trusted, []string{at(a, "")}, "proxy_protocol: v1"), trusted, "127.0.0.1/32")+
		proxied(service("untrusted", untrusted, []string{at(a, "")}, "proxy_protocol: v1"), untrusted, "127.0.0.2/32")+
		proxied(service("six", six, []string{at(a, "")}, "proxy_protocol: v1", "proxy_protocol_timeout: 1s"), six, "::1/128"))
	for i, listen := range []string{trusted, six} {
		c := announced(t, listen, v1("192.0.2.1"))
		if v := a.WaitVisits(t, i+1)[i]; c.name != "a" || v.Client.String() != "192.0.2.1:1234" {
			t.Errorf("announced is %v by %q", v.Client, v.Header)
		}
	}
	c := announced(t, trusted, v1("192.0.2.1")+"in the header's packet")
	got := make([]byte, 22)
	if _, err := io.ReadFull(c.r, got); err != nil || string(got) != "in the header's packet" {
		t.Errorf("what follows the header is %q, %v", got, err)
	}
	for header, address := range map[string]string{
		v1("192.0.2.1"):                          untrusted,
		"EHLO mail.test\r\n":                     trusted,
		"PROXY TCP4 192.0.2.1 1234 25\r\n":       trusted,
		"PROXY TCP6 192.0.2.1 ::1 1 25\r\n":      trusted,
		"PROXY " + strings.Repeat("x", 200):      trusted,
		"\r\n\r\n\x00\r\nQUIT\n\x31\x11\x00\x00": trusted,
		"":                                       six, // says nothing: proxy_protocol_timeout
	} {
		if c := announced(t, address, header); c.name != "" || c.err == nil || os.IsTimeout(c.err) {
			t.Errorf("%q: %q, %v", header, c.name, c.err)
		}
	}
	if n := len(a.Visits()); n != 3 {
		t.Errorf("%d connections reached the server, want 3", n)
	}
	unknown := announced(t, trusted, "PROXY UNKNOWN TCP4 192.0.2.1 192.0.2.2 1234 5678\r\n")
	if v := a.Visits(); unknown.name == "a" && v[len(v)-1].Client.IsValid() && v[len(v)-1].Client.Addr().String() == "192.0.2.1" {
		t.Errorf("an UNKNOWN client became %v", v[len(v)-1].Client)
	}
}

func retoldSmallWrites(t *testing.T) {
	a, listen := maillab.NewBackend(t, "a", maillab.BackendOptions{}), door(t)
	startBalancer(t, "", service("s", listen, []string{at(a, "")}))
	c := serves(t, listen, "", "a")
	began := time.Now()
	for range 200 {
		c.says(t, "x") // each waits for its echo: with Nagle's delay this takes 8 s
	}
	if took := time.Since(began); took > 4*time.Second {
		t.Errorf("200 small answers took %v", took)
	}
}

func retoldUnix(t *testing.T) {
	dir := maillab.Room(t, "unix-", "go test ./test")
	a := maillab.NewBackend(t, "a", maillab.BackendOptions{Address: filepath.Join(dir, "a")})
	p := maillab.NewBackend(t, "p", maillab.BackendOptions{Address: filepath.Join(dir, "p"), Proxy: true})
	one, two, unix := door(t), door(t), filepath.Join(dir, "in")
	startBalancer(t, "", service("one", one, []string{at(a, "")})+service("two", two, []string{at(p, "")}, "proxy_protocol: v2")+
		service("three", "unix:"+unix, []string{at(p, "")}, "proxy_protocol: v2"))
	serves(t, one, "", "a").says(t, "SEE-THIS")
	c := serves(t, two, "", "p")
	if v := p.Visits(); v[0].Client.String() != c.LocalAddr().String() {
		t.Errorf("announced is %v", v[0].Client)
	}
	serves(t, unix, "", "p").says(t, "SEE-THIS")
	if v := p.WaitVisits(t, 2)[1]; v.Client.IsValid() {
		t.Errorf("the client of a unix socket is announced as %v", v.Client)
	}
	a.Be(t, maillab.Refuses)
	serves(t, one, "", "")
	a.Be(t, maillab.Works)
	serves(t, one, "", "a")
}

func retoldUpstream(t *testing.T) {
	a, b, dead := backends3(t)
	dead.Be(t, maillab.Refuses)
	u, u2, u3, u4 := door(t), door(t), door(t), door(t)
	startBalancer(t, "", service("u", u, []string{at(a, ""), at(b, "")})+
		service("u2", u2, []string{at(dead, ""), at(a, ""), at(b, "")})+
		service("u3", u3, []string{at(a, ""), at(b, "weight=2")})+
		service("u4", u4, []string{at(dead, "fail_timeout=1s"), at(a, "backup")}))
	for _, c := range []struct{ address, want string }{{u, "a15 b15"}, {u2, "a15 b15"}, {u3, "a10 b20"}, {u4, "a30"}} {
		if got := many(t, c.address, 30); got != c.want {
			t.Errorf("%s, want %s", got, c.want)
		}
	}
	dead.Be(t, maillab.Works)
	maillab.Wait(t, maillab.Patience, "end of fail_timeout", func() bool { return names(t, u4, 1) == "c" })
	if got := many(t, u4, 30); got != "c30" {
		t.Errorf("after it came back: %s", got)
	}
}

// many calls n times and counts who answered.
func many(t *testing.T, address string, n int) string {
	t.Helper()
	return tally(strings.Fields(names(t, address, n)))
}

// tally counts names: "a15 b15", in the order of the alphabet.
func tally(all []string) string {
	count := map[string]int{}
	for _, name := range all {
		count[name]++
	}
	var s []string
	for _, name := range []string{"-", "a", "b", "c", "d"} {
		if count[name] > 0 {
			s = append(s, fmt.Sprint(name, count[name]))
		}
	}
	return strings.Join(s, " ")
}

// held opens n sessions at once, and says who has them.
func held(t *testing.T, address string, n int) string {
	t.Helper()
	var all []string
	for range n {
		all = append(all, nobody(call(t, address, "", maillab.Patience).name))
	}
	return strings.Join(all, " ")
}

func retoldHash(t *testing.T) {
	a, b, c := backends3(t)
	listen := door(t)
	startBalancer(t, "", service("s", listen, []string{at(a, ""), at(b, ""), at(c, "")}, "method: hash"))
	home := map[string]string{}
	all := map[string]*maillab.Backend{"a": a, "b": b, "c": c}
	for i := range 60 {
		from := fmt.Sprintf("127.0.3.%d", i)
		home[from] = call(t, listen, from, maillab.Patience).name
	}
	for name := range all {
		if n := len(names2(home, name)); n < 5 {
			t.Errorf("%s has %d of 60 clients", name, n)
		}
	}
	a.Be(t, maillab.Refuses)
	for from, name := range home {
		got := call(t, listen, from, maillab.Patience).name
		if name != "a" && got != name || got == "" || got == "a" {
			t.Errorf("%s moved from %s to %q though only a is gone", from, name, got)
		}
	}
}

// names2 are the clients of a server.
func names2(home map[string]string, name string) (clients []string) {
	for from, n := range home {
		if n == name {
			clients = append(clients, from)
		}
	}
	return clients
}

func retoldLeastConn(t *testing.T) {
	a, b := maillab.NewBackend(t, "a", maillab.BackendOptions{}), maillab.NewBackend(t, "b", maillab.BackendOptions{})
	listen := door(t)
	startBalancer(t, "", service("s", listen, []string{at(a, ""), at(b, "")}, "method: least_conn"))
	if got := tally(strings.Fields(held(t, listen, 10))); got != "a5 b5" {
		t.Errorf("balanced: %s", got)
	}
	b.Kill(t) // its five are gone, and it comes back with none
	b.Be(t, maillab.Works)
	maillab.Wait(t, maillab.Patience, "use of b again", func() bool { return names(t, listen, 1) == "b" })
	if got := tally(strings.Fields(held(t, listen, 4))); got != "b4" {
		t.Errorf("while a has five: %s", got)
	}
}

func retoldMaxConns(t *testing.T) {
	a, b := maillab.NewBackend(t, "a", maillab.BackendOptions{}), maillab.NewBackend(t, "b", maillab.BackendOptions{})
	cases := []struct {
		name string
		list []string
		more []string
		n    int
		want string
	}{
		{"unlim", []string{at(a, "max_conns=0"), at(b, "")}, nil, 4, "a2 b2"},
		{"lim", []string{at(a, "max_conns=3")}, nil, 4, "-1 a3"},
		{"backup", []string{at(a, "max_conns=2"), at(b, "backup")}, nil, 6, "a2 b4"},
		{"backup_lim", []string{at(a, "max_conns=2"), at(b, "backup max_conns=3")}, nil, 6, "-1 a2 b3"},
		{"two", []string{at(a, "max_conns=1"), at(b, "max_conns=1")}, nil, 4, "-2 a1 b1"},
		{"some", []string{at(a, "max_conns=1"), at(b, "")}, nil, 4, "a1 b3"},
		{"weight", []string{at(a, "weight=2 max_conns=1"), at(b, "")}, nil, 4, "a1 b3"},
		{"lc", []string{at(a, "max_conns=1"), at(b, "")}, []string{"method: least_conn"}, 4, "a1 b3"},
		{"lc_backup", []string{at(a, "max_conns=2"), at(b, "backup")}, []string{"method: least_conn"}, 6, "a2 b4"},
		{"lc_backup_lim", []string{at(a, "max_conns=2"), at(b, "backup max_conns=3")}, []string{"method: least_conn"}, 6, "-1 a2 b3"},
		{"hash", []string{at(a, "max_conns=1"), at(b, "max_conns=2")}, []string{"method: hash"}, 4, "-1 a1 b2"},
	}
	var services strings.Builder
	var doors []string
	for _, c := range cases {
		doors = append(doors, door(t))
		services.WriteString(service(c.name, doors[len(doors)-1], c.list, c.more...))
	}
	startBalancer(t, "", services.String())
	for i, c := range cases {
		if got := tally(strings.Fields(held(t, doors[i], c.n))); got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
}

// TestSessionLog: each session that ends is a line with who, where, how much and why, and so is each client that got no server, or none
// on purpose.
func TestSessionLog(t *testing.T) {
	t.Parallel()
	a, b, c := backends3(t)
	b.Be(t, maillab.Refuses)
	c.Be(t, maillab.Refuses)
	good, next, none, denied := door(t), door(t), door(t), door(t)
	lb := startBalancer(t, "", service("good", good, []string{at(a, "")})+service("next", next, []string{at(b, ""), at(a, "backup")})+
		service("none", none, []string{at(b, ""), at(c, "")})+service("denied", denied, []string{at(a, "")}, `deny: ["127.0.0.66"]`))
	session := serves(t, good, "127.0.0.61", "a")
	session.says(t, "hello")
	session.Close()
	serves(t, next, "127.0.0.62", "a").Close()
	serves(t, none, "127.0.0.63", "")
	serves(t, denied, "127.0.0.66", "")
	cut := serves(t, good, "127.0.0.64", "a")
	a.Kill(t)
	cut.closed(t)
	for _, words := range [][]string{
		{`"msg":"session"`, `"balanced":"good"`, `"client":"127.0.0.61:`, `"server":"` + a.Addr(), `"from_client":5`, `"from_server":7`, `"reason":"client closed"`},
		{`"msg":"session"`, `"balanced":"next"`, `"client":"127.0.0.62:`, `"server":"` + a.Addr(), `"tries":2`, "connection refused"},
		{`"level":"WARN"`, `"balanced":"none"`, `"client":"127.0.0.63:`, "connection refused"},
		{`"balanced":"denied"`, `"client":"127.0.0.66"`},
		{`"msg":"session"`, `"client":"127.0.0.64:`, `"reason":"server reset"`},
	} {
		maillab.Wait(t, maillab.Patience, "log line with "+strings.Join(words, " "), func() bool { return maillab.Logged(lb.Log(), words...) })
	}
}
