// SPDX-License-Identifier: MIT

package smtpd

import (
	"net"
	"net/netip"
	"strings"
	"testing"

	"github.com/pires/go-proxyproto"

	"posthouse/config"
	"posthouse/internal/listen"
	"posthouse/mail"
)

// behindProxy makes a listener for proxies of the given network.
func behindProxy(network string) func(*Options, *listen.Config) {
	return func(o *Options, c *listen.Config) {
		c.ProxyProtocol = "required"
		c.ProxyNetworks = []config.Network{{Prefix: netip.MustParsePrefix(network)}}
	}
}

func v2(t *testing.T, command proxyproto.ProtocolVersionAndCommand, client, server string) string {
	t.Helper()
	h := proxyproto.HeaderProxyFromAddrs(2,
		net.TCPAddrFromAddrPort(netip.MustParseAddrPort(client)), net.TCPAddrFromAddrPort(netip.MustParseAddrPort(server)))
	h.Command = command
	b, err := h.Format()
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestProxyHeader(t *testing.T) {
	t.Parallel()
	headers := map[string]struct{ header, client string }{
		"v1":          {"PROXY TCP4 192.0.2.7 192.0.2.25 40000 25\r\n", "192.0.2.7:40000"},
		"v1 IPv6":     {"PROXY TCP6 2001:db8::7 2001:db8::25 40000 25\r\n", "[2001:db8::7]:40000"},
		"v2":          {v2(t, proxyproto.PROXY, "192.0.2.7:40000", "192.0.2.25:25"), "192.0.2.7:40000"},
		"v2 IPv6":     {v2(t, proxyproto.PROXY, "[2001:db8::7]:40000", "[2001:db8::25]:25"), "[2001:db8::7]:40000"},
		"v2 unmapped": {v2(t, proxyproto.PROXY, "[::ffff:192.0.2.7]:40000", "[2001:db8::25]:25"), "192.0.2.7:40000"},
	}
	for name, h := range headers {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := &recorder{}
			p := start(t, r, behindProxy("127.0.0.0/8")).silent()
			p.send(h.header + "EHLO client.test\r\n") // in one packet: nothing behind the header is lost
			p.want("220 ")
			p.want("250 ")
			p.data()
			p.do("\r\n.\r\n", "250 ")
			if got := r.got()[0].env.Client.Addr.String(); got != h.client {
				t.Errorf("client %s, want %s", got, h.client)
			}
		})
	}
}

// TestProxyForItself: LOCAL and UNKNOWN are health checks. They may look, not send, and are nobody's neighbour.
func TestProxyForItself(t *testing.T) {
	t.Parallel()
	for _, header := range []string{"PROXY UNKNOWN\r\n", v2(t, proxyproto.LOCAL, "127.0.0.1:1", "127.0.0.1:2")} {
		r := &recorder{onConnect: func(*mail.Client) error { t.Error("the service was asked"); return nil }}
		p := start(t, r, func(o *Options, c *listen.Config) {
			behindProxy("127.0.0.0/8")(o, c)
			o.Mynetworks = loopback
		}).silent()
		p.send(header)
		p.want("220 ")
		p.do("EHLO balancer.test\r\n", "250 ")
		p.do("NOOP\r\n", "250 ")
		for _, line := range []string{"MAIL FROM:<a@client.test>", "STARTTLS", "RSET", "AUTH PLAIN x", "VRFY x"} {
			p.do(line+"\r\n", "502 5.5.1")
		}
		p.do("QUIT\r\n", "221 ")
	}
}

// TestProxyNotBelieved: without a header, with a bad one, or from elsewhere, the connection ends without a banner.
func TestProxyNotBelieved(t *testing.T) {
	t.Parallel()
	cases := map[string]struct{ network, header string }{
		"stranger":  {"192.0.2.0/24", "PROXY TCP4 127.0.0.1 127.0.0.1 1 2\r\n"},
		"no header": {"127.0.0.0/8", "EHLO client.test\r\n"},
		"bad v1":    {"127.0.0.0/8", "PROXY TCP4 192.0.2.7\r\n"},
		"long v1":   {"127.0.0.0/8", "PROXY TCP4 " + strings.Repeat("1", 200) + "\r\n"},
		"bad v2":    {"127.0.0.0/8", "\r\n\r\n\x00\r\nQUIT\nxxxxxxxx"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := start(t, &recorder{}, behindProxy(c.network)).silent()
			p.send(c.header)
			p.gone()
		})
	}
}

// TestProxyLimits: limits go by the announced address.
func TestProxyLimits(t *testing.T) {
	t.Parallel()
	w := start(t, &recorder{}, func(o *Options, c *listen.Config) {
		behindProxy("127.0.0.0/8")(o, c)
		o.Config.ClientConnectionRateLimit = 1
		o.Mynetworks = loopback // the proxy's own address exempts nobody
	})
	for _, s := range []struct{ header, want string }{
		{"PROXY TCP4 192.0.2.7 192.0.2.25 40000 25\r\n", "220 "},
		{"PROXY TCP4 192.0.2.7 192.0.2.25 40001 25\r\n", "421 4.7.0"},
		{"PROXY TCP4 192.0.2.8 192.0.2.25 40002 25\r\n", "220 "},
	} {
		p := w.silent()
		p.do(s.header, s.want)
	}
}
