// SPDX-License-Identifier: MIT

//go:build interop

package health

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"posthouse/certs"
	"posthouse/config"
	"posthouse/internal/maillab"
)

const again = "go test -tags interop ./balancer/health"

// dovecotConf has each protocol in the clear with STARTTLS, in TLS, and behind the PROXY protocol. Nobody can log in.
const dovecotConf = `base_dir = %[1]s/run
state_dir = %[1]s/state
log_path = /dev/stderr
protocols = imap pop3 lmtp sieve
listen = 127.0.0.1
ssl = yes
ssl_cert = <%[1]s/cert.pem
ssl_key = <%[1]s/key.pem
haproxy_trusted_networks = 127.0.0.0/8
mail_location = maildir:~/Maildir
passdb {
  driver = static
  args = nologin=yes
}
service imap-login {
  inet_listener imap {
    port = %[2]d
  }
  inet_listener imaps {
    port = %[3]d
  }
  inet_listener imap_proxy {
    port = %[4]d
    haproxy = yes
  }
  inet_listener imaps_proxy {
    port = %[5]d
    haproxy = yes
    ssl = yes
  }
}
service pop3-login {
  inet_listener pop3 {
    port = %[6]d
  }
  inet_listener pop3s {
    port = %[7]d
  }
}
service managesieve-login {
  inet_listener sieve {
    port = %[8]d
  }
  inet_listener sieve_proxy {
    port = %[9]d
    haproxy = yes
  }
}
service lmtp {
  inet_listener lmtp {
    port = %[10]d
  }
  unix_listener %[1]s/lmtp {
    mode = 0666
  }
}
`

// room is a folder with a certificate for mail.test; ca.pem is who signed it.
func room(t *testing.T) string {
	t.Helper()
	dir := maillab.Room(t, "health-", again)
	ca, err := certs.MakeCA("test")
	if err != nil {
		t.Fatal(err)
	}
	cert, key, err := ca.Issue("mail.test")
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string][]byte{"cert.pem": cert, "key.pem": key, "ca.pem": ca.PEM()} {
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// row is a check that has to go well, of a server that has.
type row struct {
	protocol, tls string
	target        Target
}

func at(port int) Target {
	return Target{Addr: netip.MustParseAddrPort(maillab.Local(port)), Name: "mail.test"}
}

func proxied(port, version int) Target {
	t := at(port)
	t.Proxy = version
	return t
}

func (r row) config(ca string) Config {
	c := Config{Protocol: r.protocol, TLS: r.tls}
	if r.tls != "" {
		c.TLSCAFile = config.Path(ca)
	}
	return c
}

func (r row) good(t *testing.T, ca string) {
	t.Helper()
	if err := checker(t, r.config(ca)).Check(t.Context(), r.target); err != nil {
		t.Errorf("%s %s %+v: %v", r.protocol, r.tls, r.target, err)
	}
}

// bad checks with another name, and with the system's roots: neither may go well.
func (r row) bad(t *testing.T, ca string) {
	t.Helper()
	if r.tls == "" {
		return
	}
	other, system := r.config(ca), r.config("")
	other.TLSName = "other.test"
	for _, c := range []Config{other, system} {
		if err := checker(t, c).Check(t.Context(), r.target); err == nil || !strings.Contains(err.Error(), "certificate") {
			t.Errorf("%s %s %+v: with %+v: %v", r.protocol, r.tls, r.target, c, err)
		}
	}
}

func TestDovecot(t *testing.T) {
	t.Parallel()
	dir := room(t)
	p := make([]any, 9)
	for i := range p {
		p[i] = maillab.FreePort(t)
	}
	file := filepath.Join(dir, "dovecot.conf")
	if err := os.WriteFile(file, fmt.Appendf(nil, dovecotConf, append([]any{dir}, p...)...), 0o644); err != nil {
		t.Fatal(err)
	}
	d := maillab.Start(t, dir, "/usr/sbin/dovecot", "-F", "-c", file)
	for _, port := range p {
		maillab.Wait(t, maillab.Patience, "Dovecot", func() bool {
			if d.Ended() {
				t.Fatal("Dovecot ended")
			}
			return maillab.Listening(t, port.(int))
		})
	}
	imap, imaps, imapProxy, imapsProxy := p[0].(int), p[1].(int), p[2].(int), p[3].(int)
	pop, pops, sieve, sieveProxy, lmtp := p[4].(int), p[5].(int), p[6].(int), p[7].(int), p[8].(int)
	for _, r := range []row{
		{"imap", "", at(imap)}, {"imap", "starttls", at(imap)}, {"imap", "implicit", at(imaps)}, {"tcp", "implicit", at(imaps)},
		{"imap", "", proxied(imapProxy, 1)}, {"imap", "", proxied(imapProxy, 2)}, {"imap", "starttls", proxied(imapProxy, 2)},
		{"imap", "implicit", proxied(imapsProxy, 1)}, {"imap", "implicit", proxied(imapsProxy, 2)},
		{"pop3", "", at(pop)}, {"pop3", "starttls", at(pop)}, {"pop3", "implicit", at(pops)},
		{"sieve", "", at(sieve)}, {"sieve", "starttls", at(sieve)}, {"sieve", "", proxied(sieveProxy, 2)}, {"sieve", "starttls", proxied(sieveProxy, 1)},
		{"lmtp", "", at(lmtp)}, {"lmtp", "starttls", at(lmtp)}, {"lmtp", "", Target{Path: dir + "/lmtp"}}, {"tcp", "", at(lmtp)},
	} {
		r.good(t, dir+"/ca.pem")
		r.bad(t, dir+"/ca.pem")
	}
	// A server that speaks another protocol, or waits for a header that does not come, is not well.
	for _, r := range []row{{"smtp", "", at(imap)}, {"imap", "", at(pop)}, {"pop3", "", at(sieve)}, {"sieve", "", at(lmtp)}, {"imap", "implicit", at(imap)}} {
		if err := checker(t, Config{Protocol: r.protocol, TLS: r.tls}).Check(t.Context(), r.target); err == nil {
			t.Errorf("%s %s of %v went well", r.protocol, r.tls, r.target)
		}
	}
	for _, word := range []string{"Error:", "Panic:", "Fatal:"} {
		if strings.Contains(d.Log(), word) {
			t.Errorf("Dovecot complains:\n%s", d.Log())
			break
		}
	}
}

func TestPostfix(t *testing.T) {
	t.Parallel()
	dir := room(t)
	smtp, smtps, behind, screen := maillab.FreePort(t), maillab.FreePort(t), maillab.FreePort(t), maillab.FreePort(t)
	p := maillab.StartPostfix(t, maillab.PostfixOptions{
		Dir: dir,
		Main: fmt.Sprintf("inet_interfaces = 127.0.0.1\nmyhostname = mail.test\nsmtpd_tls_security_level = may\nsmtpd_tls_cert_file = %[1]s/cert.pem\n"+
			"smtpd_tls_key_file = %[1]s/key.pem\nsmtpd_peername_lookup = no\n", dir),
		Master: fmt.Sprintf("127.0.0.1:%d inet n - n - - smtpd\n127.0.0.1:%d inet n - n - - smtpd -o smtpd_tls_wrappermode=yes\n"+
			"127.0.0.1:%d inet n - n - - smtpd -o smtpd_upstream_proxy_protocol=haproxy\n127.0.0.1:%d inet n - n - 1 postscreen\n"+
			"smtpd pass - - n - - smtpd\ndnsblog unix - - n - 0 dnsblog\ntlsproxy unix - - n - 0 tlsproxy\n", smtp, smtps, behind, screen),
		Address: maillab.Local(smtp),
	})
	rows := []row{
		{"smtp", "", at(smtp)}, {"smtp", "starttls", at(smtp)}, {"smtp", "implicit", at(smtps)},
		{"smtp", "", proxied(behind, 1)}, {"smtp", "", proxied(behind, 2)}, {"smtp", "starttls", proxied(behind, 2)}, {"smtp", "", at(screen)},
	}
	for _, r := range rows {
		r.good(t, dir+"/ca.pem")
	}
	quits := func() bool { return strings.Count(p.Log(), " quit=1 ") >= len(rows) }
	maillab.Wait(t, maillab.Patience, "QUIT in each conversation", quits)
	// What it must not look like: a client that hangs up (as the one that waited for Postfix did), talks before its turn, or uses
	// commands that there are not.
	for word, times := range map[string]int{"lost connection": 1, "PREGREET": 0, "HANGUP": 0, "improper": 0, "unknown=": 0, "warning": 0} {
		if n := strings.Count(p.Log(), word); n > times {
			t.Errorf("Postfix thinks ill of us: %d times %q", n, word)
		}
	}
	for _, r := range rows {
		r.bad(t, dir+"/ca.pem")
	}
}
