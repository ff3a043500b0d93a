// SPDX-License-Identifier: MIT

//go:build interop

package ipng

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"posthouse/internal/maillab"
)

// mainCF gives Postfix what the example's cluster file gives smtp-in: folder, folder of the example.
const mainCF = `compatibility_level = 3.7
queue_directory = %[1]s/spool
data_directory = %[1]s/data
command_directory = /usr/sbin
daemon_directory = /usr/lib/postfix/sbin
mail_owner = postfix
setgid_group = postdrop
maillog_file = /dev/stdout
myhostname = smtp-in.ipng.ch
mydomain = ipng.ch
myorigin = ipng.ch
mydestination =
local_recipient_maps =
alias_maps =
alias_database =
local_transport = error:5.1.1 unknown
mynetworks = 127.0.0.0/8, [::1]/128
inet_interfaces = 127.0.8.1
inet_protocols = all
virtual_alias_domains = hash:%[2]s/virtual-domains
virtual_alias_maps = hash:%[2]s/virtual
recipient_delimiter = +
message_size_limit = 52428800
virtual_mailbox_limit = 0
mailbox_size_limit = 0
smtpd_banner = $myhostname ESMTP
smtpd_relay_restrictions = permit_mynetworks, reject_unauth_destination
smtpd_tls_security_level = may
smtpd_tls_chain_files = %[2]s/tls/privkey.pem, %[2]s/tls/fullchain.pem
smtpd_forbid_bare_newline = reject
smtpd_helo_required = yes
smtpd_error_sleep_time = 0
smtpd_soft_error_limit = 100
smtpd_hard_error_limit = 200
smtpd_client_connection_count_limit = 0
smtpd_client_connection_rate_limit = 0
smtpd_policy_service_retry_delay = 1s
in_flow_delay = 0
soft_bounce = no
milter_default_action = accept
address_verify_map =
address_verify_poll_count = 5
address_verify_poll_delay = 1s
`

// masterCF are its services beside those of the sets.
const masterCF = `postlog unix-dgram n - n - 1 postlogd
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
smtp unix - - n - - smtp
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
virtual unix - n n - - virtual
lmtp unix - - n - - lmtp
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
`

// postfixes are the real peer: one Postfix, with an smtpd for each set of lists.
type postfixes struct {
	*maillab.Process
	dir string
}

// startPostfix starts it for all sets; the n-th set is asked at postfixAt(n).
func startPostfix(t *testing.T, dir, example string, sets []*set) *postfixes {
	t.Helper()
	conf := filepath.Join(dir, "conf")
	for _, d := range []string{conf, filepath.Join(dir, "spool"), filepath.Join(dir, "data")} {
		if err := os.MkdirAll(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if out, err := maillab.Run(t, dir, "chown", "postfix", filepath.Join(dir, "data")); err != nil {
		t.Fatal(err, out)
	}
	for _, table := range []string{"virtual", "virtual-domains"} {
		postmap(t, filepath.Join(example, table))
	}
	services := masterCF
	for n, s := range sets {
		services += s.service(t, n, filepath.Join(dir, s.name))
	}
	write(t, filepath.Join(conf, "main.cf"), fmt.Sprintf(mainCF, dir, example))
	write(t, filepath.Join(conf, "master.cf"), services)
	p := &postfixes{Process: maillab.Start(t, dir, "postfix", "-c", conf, "start-fg"), dir: dir}
	t.Cleanup(func() { // its master is in a process group of its own
		if out, err := maillab.Run(t, dir, "postfix", "-c", conf, "stop"); err != nil {
			t.Errorf("postfix stop: %v\n%s", err, out)
		}
	})
	maillab.Wait(t, 3*maillab.Patience, "Postfix", func() bool { // it looks through its folders first
		k, _, err := dial(postfixAt(len(sets)-1), "127.0.0.1")
		if err == nil {
			k.close()
		}
		return err == nil || p.Ended()
	})
	return p
}

func postfixAt(n int) string { return fmt.Sprintf("127.0.8.%d:25", n+1) }

// six is where a server listens for clients of IPv6.
func six(server string) string {
	return "[fd00::" + strings.ReplaceAll(strings.TrimSuffix(server, ":25"), ".", ":") + "]:25"
}

// service is the smtpd of a set in master.cf; the set's tables are made in dir.
func (s *set) service(t *testing.T, n int, dir string) string {
	t.Helper()
	s.writeTables(t, dir)
	var b strings.Builder
	for _, address := range []string{postfixAt(n), six(postfixAt(n))} {
		fmt.Fprintf(&b, "%s inet n - n - - smtpd\n", address)
		for _, l := range s.lists {
			fmt.Fprintf(&b, "  -o { smtpd_%s = %s }\n", l[0], s.resolved(l[1], dir, "Postfix's"))
		}
		for _, o := range s.both["postfix"] {
			fmt.Fprintf(&b, "  -o { %s }\n", s.resolved(o, dir, "Postfix's"))
		}
	}
	return b.String()
}

// resolved makes paths of the names of the set's tables, and an address of POSTGREY.
func (s *set) resolved(words, dir, side string) string {
	words = strings.ReplaceAll(words, "POSTGREY", postgreys[side])
	for _, f := range s.tables {
		words = strings.ReplaceAll(words, ":"+f.name, ":"+filepath.Join(dir, f.name))
	}
	return words
}

// writeTables writes the set's tables, and what Postfix reads in their place.
func (s *set) writeTables(t *testing.T, dir string) {
	t.Helper()
	for _, f := range s.tables {
		if !s.names(f.name) {
			continue
		}
		write(t, filepath.Join(dir, f.name), f.text)
		if strings.HasSuffix(f.name, ".hash") {
			postmap(t, filepath.Join(dir, f.name))
		}
	}
}

// names reports that a list of the set names a table.
func (s *set) names(table string) bool {
	return slices.ContainsFunc(s.lists, func(l [2]string) bool { return strings.Contains(l[1], ":"+table) })
}

func postmap(t *testing.T, file string) {
	t.Helper()
	if out, err := maillab.Run(t, filepath.Dir(file), "postmap", "hash:"+file); err != nil {
		t.Fatalf("postmap %s: %v\n%s", file, err, out)
	}
}

func write(t *testing.T, file, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// room is a folder of a test, kept when the test fails.
func room(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "ipng-")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("files kept in %s; again: go test -tags interop ./test/ipng -run '^%s$'", dir, t.Name())
			return
		}
		os.RemoveAll(dir)
	})
	return dir
}

// moment is how long an answer may take that waits for nobody.
const moment = 5 * time.Second
