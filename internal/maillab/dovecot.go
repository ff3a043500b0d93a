// SPDX-License-Identifier: MIT

package maillab

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

// Dovecot is a real one with the user alice, password secret, in the clear: for what stands in front of it.
type Dovecot struct {
	*Process
	IMAP, Sieve           int // ports
	ProxyIMAP, ProxySieve int // ports that want a PROXY header, from 127.0.0.0/8 and 10.0.0.0/8
}

// NewDovecot runs Dovecot 2.3 with IMAP and ManageSieve at an address of this machine, on free ports.
func NewDovecot(t testing.TB, address string) *Dovecot {
	t.Helper()
	return DovecotAt(t, address, Dovecot{IMAP: FreePort(t), Sieve: FreePort(t), ProxyIMAP: FreePort(t), ProxySieve: FreePort(t)})
}

// DovecotAt is NewDovecot on ports of the caller's choice.
func DovecotAt(t testing.TB, address string, ports Dovecot) *Dovecot {
	t.Helper()
	dir := foreignRoom(t)
	for _, sub := range []string{"state", "mail/alice"} {
		if err := os.MkdirAll(filepath.Join(dir, sub), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	d := &ports
	give(t, "mail", dir+"/mail")
	give(t, "mail", dir+"/mail/alice")
	put(t, dir, "users", "alice:{PLAIN}secret\n")
	file := put(t, dir, "dovecot.conf", fmt.Sprintf(dovecotConf, dir, address, d.IMAP, d.ProxyIMAP, d.Sieve, d.ProxySieve))
	d.Process = Start(t, dir, "/usr/sbin/dovecot", "-F", "-c", file)
	for _, port := range []int{d.IMAP, d.ProxyIMAP, d.Sieve, d.ProxySieve} {
		Wait(t, Patience, fmt.Sprintf("listener of Dovecot at port %d", port), func() bool {
			if d.Ended() {
				t.Fatalf("Dovecot ended:\n%s", d.Log())
			}
			return Listening(t, port)
		})
	}
	return d
}

// dovecotConf: folder, address, ports of IMAP, IMAP by PROXY, ManageSieve, ManageSieve by PROXY.
const dovecotConf = `base_dir = %[1]s/run
state_dir = %[1]s/state
log_path = /dev/stderr
protocols = imap sieve
listen = %[2]s
ssl = no
disable_plaintext_auth = no
haproxy_trusted_networks = 127.0.0.0/8 10.0.0.0/8
mail_location = maildir:~/Maildir
mail_uid = mail
mail_gid = mail
first_valid_uid = 1
first_valid_gid = 1
auth_mechanisms = plain login
default_process_limit = 100
default_client_limit = 4000
service imap-login {
  service_count = 0
  process_limit = 4
  client_limit = 1000
  inet_listener imap {
    port = %[3]d
  }
  inet_listener imaps {
    port = 0
  }
  inet_listener imap_proxy {
    port = %[4]d
    haproxy = yes
  }
}
service managesieve-login {
  service_count = 0
  inet_listener sieve {
    port = %[5]d
  }
  inet_listener sieve_proxy {
    port = %[6]d
    haproxy = yes
  }
}
passdb {
  driver = passwd-file
  args = %[1]s/users
}
userdb {
  driver = static
  args = uid=mail gid=mail home=%[1]s/mail/%%u
}
plugin {
  sieve = file:~/sieve;active=~/.dovecot.sieve
}
`
