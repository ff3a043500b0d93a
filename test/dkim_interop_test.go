// SPDX-License-Identifier: MIT

//go:build interop

package test

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/miekg/dns"

	"posthouse/internal/maillab"
)

// verifyScript is Mail::DKIM asking our name server: it prints the result of each signature.
const verifyScript = `
use Mail::DKIM::Verifier; use Mail::DKIM::DNS; use Net::DNS::Resolver;
my ($server, $port, $file) = @ARGV;
Mail::DKIM::DNS::resolver(Net::DNS::Resolver->new(nameservers => [$server], port => $port, recurse => 0));
my $v = Mail::DKIM::Verifier->new;
open my $f, "<", $file or die $!;
$v->load($f);
print $_->domain, " ", $_->result_detail, "\n" for $v->signatures;
`

// What leaves for a remote MX is signed so that others can verify it: by Mail::DKIM and by OpenDKIM.
func TestSignatureVerifiesElsewhere(t *testing.T) {
	t.Parallel()
	s := up(t)
	sink := maillab.NewSink(t, maillab.SinkOptions{})
	s.withRoute(t, "remote.test", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: sink.Port()})
	body := "one  line with  spaces  \n\n.dot\ntrailing empty lines\n\n\n"
	if err := submit(s, s.user, "someone@remote.test", letter("signed@posthouse.test", s.user, "someone@remote.test", body)); err != nil {
		t.Fatal(err)
	}
	dir := room(t)
	writeFile(t, dir, "message.eml", sink.Wait(t, 1)[0].Data, 0o644)
	server := serveZone(t, "127.53.0.1", filepath.Join(s.dir, "zone"))
	t.Run("Mail::DKIM", func(t *testing.T) {
		out, err := maillab.Run(t, dir, "perl", "-e", verifyScript, server, "53", "message.eml")
		if err != nil || strings.TrimSpace(out) != "posthouse.test pass" {
			t.Errorf("%v\n%s", err, out)
		}
	})
	t.Run("opendkim-testmsg", func(t *testing.T) {
		writeFile(t, dir, "resolv.conf", "nameserver "+server+"\n", 0o644)
		out, err := maillab.Run(t, dir, "unshare", "-m", "sh", "-c",
			"mount --bind resolv.conf /etc/resolv.conf && exec opendkim-testmsg <message.eml")
		if err != nil || strings.TrimSpace(out) != "" {
			t.Errorf("%v\n%s", err, out)
		}
	})
	t.Run("an altered body does not", func(t *testing.T) {
		writeFile(t, dir, "altered.eml", readFile(t, dir, "message.eml")+"more\r\n", 0o644)
		out, _ := maillab.Run(t, dir, "perl", "-e", verifyScript, server, "53", "altered.eml")
		if !strings.Contains(out, "fail") {
			t.Errorf("it passed: %s", out)
		}
	})
}

// serveZone serves a zone file on port 53 of an address in 127/8, of its own, which only root may do, and returns the address.
func serveZone(t *testing.T, address, file string) string {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	records := map[string][]dns.RR{}
	zone := dns.NewZoneParser(f, "", file)
	for rr, ok := zone.Next(); ok; rr, ok = zone.Next() {
		records[strings.ToLower(rr.Header().Name)] = append(records[strings.ToLower(rr.Header().Name)], rr)
	}
	if err := zone.Err(); err != nil {
		t.Fatal(err)
	}
	conn, err := net.ListenPacket("udp", address+":53")
	if err != nil {
		t.Fatal(err)
	}
	server := &dns.Server{PacketConn: conn, Handler: dns.HandlerFunc(func(w dns.ResponseWriter, q *dns.Msg) {
		m := new(dns.Msg).SetReply(q)
		m.RecursionAvailable = true
		for _, rr := range records[strings.ToLower(q.Question[0].Name)] {
			if rr.Header().Rrtype == q.Question[0].Qtype {
				m.Answer = append(m.Answer, rr)
			}
		}
		w.WriteMsg(m)
	})}
	go server.ActivateAndServe()
	t.Cleanup(func() { server.Shutdown() })
	return address
}
