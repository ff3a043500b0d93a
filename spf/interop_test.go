// SPDX-License-Identifier: MIT

//go:build interop

package spf

import (
	"fmt"
	"net"
	"net/netip"
	"os/exec"
	"strings"
	"testing"

	"github.com/miekg/dns"

	"posthouse/resolver"
)

// perl asks Mail::SPF the same questions of the same name server. A line in, a line out.
const perl = `
use strict; use warnings; use Mail::SPF; use Net::DNS::Resolver;
my $dns = Net::DNS::Resolver->new(nameservers => ['127.0.0.1'], port => $ARGV[0], recurse => 1, retry => 1, udp_timeout => 3);
my $server = Mail::SPF::Server->new(dns_resolver => $dns, hostname => 'mx.us.test', default_authority_explanation => '');
while (my $line = <STDIN>) {
	chomp $line;
	my ($ip, $helo, $from) = split / /, $line;
	my $result = $server->process(Mail::SPF::Request->new(
		versions => [1], scope => 'mfrom', identity => $from, ip_address => $ip, helo_identity => $helo));
	my $why = $result->isa('Mail::SPF::Result::Fail') ? $result->authority_explanation : '';
	print $result->code, ' ', $why, "\n";
}
`

// policies are records of all kinds, each asked for two clients. %s is the domain itself.
func policies() []string {
	return []string{
		"v=spf1 -all", "v=spf1", "v=spf1 ?all", "v=spf1 +all", "V=SPF1 ~ALL", "v=spf10 -all",
		"v=spf1 ip4:192.0.2.0/24 -all", "v=spf1 ip4:192.0.2.1/32 ~all", "v=spf1 -ip4:192.0.2.0/28 +all", "v=spf1 ip4:192.0.2.1/33 -all",
		"v=spf1 ip4:192.0.2 -all", "v=spf1 ip6:2001:db8::/32 -all", "v=spf1 ip6:2001:db8::1 ?all", "v=spf1 ip6:2001:db8::/129 -all",
		"v=spf1 a -all", "v=spf1 a:host.test -all", "v=spf1 a:host.test/24//64 -all", "v=spf1 a//0 -all", "v=spf1 a/0 -all",
		"v=spf1 mx -all", "v=spf1 mx:many.test -all", "v=spf1 mx:host.test/24 -all",
		"v=spf1 include:pass.test -all", "v=spf1 include:fail.test ?all", "v=spf1 include:gone.test -all", "v=spf1 -include:pass.test +all",
		"v=spf1 redirect=pass.test", "v=spf1 redirect=gone.test", "v=spf1 redirect=fail.test ?all", "v=spf1 redirect=a.test redirect=b.test",
		"v=spf1 exists:%{ir}.list.test -all", "v=spf1 exists:%{l1r+}.%{d2}.test -all", "v=spf1 exists:%{z}.test -all", "v=spf1 ptr -all",
		"v=spf1 ptr:host.test -all", "v=spf1 exp=why.test -all", "v=spf1 exp=gone.test -all", "v=spf1 a:gone1.test a:gone2.test a:gone3.test +all",
		"v=spf1 moo -all", "v=spf1 -all moo", "v=spf1 x-mod=%{d} -all", "v=spf1 a:no_dot -all", "v=spf1 a:192.0.2.1 -all", "v=spf1 all:x",
		"v=spf1 include:loop.test -all", "v=spf1 exists:%{v}.%{h}.list.test ~all",
	}
}

const surroundings = `
host.test. A 192.0.2.1
host.test. AAAA 2001:db8::1
host.test. MX 1 host.test.
many.test. MX 1 host.test.
pass.test. TXT "v=spf1 ip4:192.0.2.0/24 -all"
fail.test. TXT "v=spf1 -ip4:192.0.2.0/24 ip6:2001:db8::/32 -all"
loop.test. TXT "v=spf1 include:loop.test -all"
1.2.0.192.list.test. A 127.0.0.1
in-addr.helo.test.list.test. A 127.0.0.1
why.test. TXT "%{i} %{c} %{s} %{d} %{L} may not, says %{r}"
1.2.0.192.in-addr.arpa. PTR host.test.
`

// nameServer serves a zone over UDP and TCP on one loopback port.
func nameServer(t *testing.T, z *resolver.Zone) string {
	t.Helper()
	handle := dns.HandlerFunc(func(w dns.ResponseWriter, m *dns.Msg) {
		out := new(dns.Msg).SetReply(m)
		answer, err := z.Ask(t.Context(), m.Question[0].Name, m.Question[0].Qtype)
		if resolver.NotFound(err) {
			out.Rcode = dns.RcodeNameError
		}
		out.Answer = answer.Records
		w.WriteMsg(out)
	})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p, err := net.ListenPacket("udp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range []*dns.Server{{Listener: l, Handler: handle}, {PacketConn: p, Handler: handle}} {
		started := make(chan struct{})
		s.NotifyStartedFunc = func() { close(started) }
		go s.ActivateAndServe()
		<-started
		t.Cleanup(func() { s.Shutdown() })
	}
	return l.Addr().String()
}

// TestBesideMailSPF compares with Perl's Mail::SPF (Debian libmail-spf-perl), over one name server: results, and explanations but
// for the case of the nibbles of an IPv6 address.
func TestBesideMailSPF(t *testing.T) {
	t.Parallel()
	var records, questions strings.Builder
	type question struct{ policy, client, domain string }
	var all []question
	records.WriteString(surroundings)
	for i, p := range policies() {
		domain := fmt.Sprintf("p%d.test", i)
		fmt.Fprintf(&records, "%s. TXT \"%s\"\n%s. A 192.0.2.1\n%s. MX 1 host.test.\n", domain, p, domain, domain)
		for _, client := range []string{"192.0.2.1", "198.51.100.9", "2001:db8::1"} {
			fmt.Fprintf(&questions, "%s helo.test u+x@%s\n", client, domain)
			all = append(all, question{p, client, domain})
		}
	}
	addr := nameServer(t, zone(t, records.String()))
	_, port, _ := net.SplitHostPort(addr)
	c := exec.CommandContext(t.Context(), "perl", "-e", perl, port)
	c.Stdin = strings.NewReader(questions.String())
	text, err := c.CombinedOutput()
	lines := strings.Split(strings.TrimSuffix(string(text), "\n"), "\n")
	if err != nil || len(lines) != len(all) {
		t.Fatalf("Mail::SPF (libmail-spf-perl): %v, %d answers to %d questions: %.2000s", err, len(lines), len(all), text)
	}
	client, err := resolver.New(resolver.Options{Servers: []string{addr}})
	if err != nil {
		t.Fatal(err)
	}
	for i, q := range all {
		o := Options{Resolver: client, Hostname: "mx.us.test"}
		r := Check(t.Context(), o, netip.MustParseAddr(q.client), "helo.test", path(t, "<u+x@"+q.domain+">"))
		if got := strings.TrimSpace(string(r.Status) + " " + r.Explanation); !strings.EqualFold(got, strings.TrimSpace(lines[i])) {
			t.Errorf("%q for %s: %q (%v), Mail::SPF says %q", q.policy, q.client, got, r.Err, lines[i])
		}
	}
}
