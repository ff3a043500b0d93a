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

// mainCF gives Postfix what the example's cluster file gives smtp-in: the folder of the example.
const mainCF = `myhostname = smtp-in.ipng.ch
mydomain = ipng.ch
myorigin = ipng.ch
mydestination =
local_transport = error:5.1.1 unknown
mynetworks = 127.0.0.0/8, [::1]/128
inet_interfaces = 127.0.8.1
inet_protocols = all
virtual_alias_domains = hash:%[1]s/virtual-domains
virtual_alias_maps = hash:%[1]s/virtual
recipient_delimiter = +
message_size_limit = 52428800
virtual_mailbox_limit = 0
mailbox_size_limit = 0
smtpd_banner = $myhostname ESMTP
smtpd_relay_restrictions = permit_mynetworks, reject_unauth_destination
smtpd_tls_security_level = may
smtpd_tls_chain_files = %[1]s/tls/privkey.pem, %[1]s/tls/fullchain.pem
smtpd_forbid_bare_newline = reject
smtpd_helo_required = yes
smtpd_soft_error_limit = 100
smtpd_hard_error_limit = 200
smtpd_policy_service_retry_delay = 1s
soft_bounce = no
milter_default_action = accept
address_verify_map =
address_verify_poll_count = 5
address_verify_poll_delay = 1s
`

// startPostfix starts a real Postfix with an smtpd for each set of lists; the n-th set is asked at postfixAt(n).
func startPostfix(t *testing.T, dir, example string, sets []*set) {
	t.Helper()
	for _, table := range []string{"virtual", "virtual-domains"} {
		postmap(t, filepath.Join(example, table))
	}
	services := ""
	for n, s := range sets {
		services += s.service(t, n, filepath.Join(dir, s.name))
	}
	maillab.StartPostfix(t, maillab.PostfixOptions{
		Dir: dir, Main: fmt.Sprintf(mainCF, example), Master: services, Address: postfixAt(len(sets) - 1),
	})
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

// room is a folder for one test.
func room(t *testing.T) string {
	t.Helper()
	return maillab.Room(t, "ipng-", "go test -tags interop ./test/ipng")
}

// moment is how long an answer may take that waits for nobody.
const moment = 5 * time.Second
