// SPDX-License-Identifier: MIT

//go:build interop

package content

import (
	"errors"
	"fmt"
	"net/smtp"
	"net/textproto"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"posthouse/internal/maillab"
)

// TestPostfix: the real Postfix makes of the probes what they say, so that TestProbes compares us with it.
func TestPostfix(t *testing.T) {
	t.Parallel()
	sink := maillab.NewSink(t, maillab.SinkOptions{})
	address := startPostfix(t, sink)
	arrive := 0
	got := map[string]string{} // by the probe's sender
	for i, p := range probes() {
		sender := fmt.Sprintf("p%d@probe.test", i)
		err := smtp.SendMail(address, nil, sender, []string{"to@sink.test"}, []byte(strings.ReplaceAll(p.message, "\n", "\r\n")))
		var refusal *textproto.Error
		switch {
		case errors.As(err, &refusal):
			got[sender] = fmt.Sprintf("%d %s", refusal.Code, refusal.Msg)
		case err != nil:
			t.Fatal(err)
		case p.want == "discarded":
			got[sender] = p.want // unless it arrives
		default:
			arrive++
		}
	}
	for _, m := range sink.Wait(t, arrive) {
		_, from, _ := strings.Cut(m.From, "<")
		from, _, _ = strings.Cut(from, ">")
		got[from] = received(m.Data)
	}
	for i, p := range probes() {
		if got := got[fmt.Sprintf("p%d@probe.test", i)]; got != p.want {
			t.Errorf("%s: Postfix makes of it\n%q\nwant\n%q", p.name, short(got), short(p.want))
		}
	}
}

// received is what arrived without what Postfix put on top.
func received(data string) string {
	text := strings.ReplaceAll(data, "\r\n", "\n")
	for strings.HasPrefix(text, "Received:") {
		_, text, _ = strings.Cut(text, "\n")
		for strings.HasPrefix(text, "\t") || strings.HasPrefix(text, " ") {
			_, text, _ = strings.Cut(text, "\n")
		}
	}
	return text
}

func startPostfix(t *testing.T, sink *maillab.Sink) (address string) {
	t.Helper()
	dir, err := os.MkdirTemp("", "content") // short, for the sockets' sake
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil { // its services are not root
		t.Fatal(err)
	}
	for _, d := range []string{"conf", "spool", "data"} {
		if err := os.Mkdir(filepath.Join(dir, d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if out, err := maillab.Run(t, dir, "chown", "postfix", filepath.Join(dir, "data")); err != nil {
		t.Fatal(err, out)
	}
	port := maillab.FreePort(t)
	for name, text := range map[string]string{
		"header_checks": probeHeaderChecks, "body_checks": probeBodyChecks,
		"conf/main.cf": fmt.Sprintf(mainCF, dir, sink.Port()), "conf/master.cf": fmt.Sprintf(masterCF, port),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	maillab.Start(t, dir, "postfix", "-c", filepath.Join(dir, "conf"), "start-fg")
	maillab.WaitPort(t, maillab.Local(port))
	return maillab.Local(port)
}

// mainCF is a relay: its folder, the next hop's port. It adds no header fields but Received and breaks no lines.
const mainCF = `compatibility_level = 3.7
queue_directory = %[1]s/spool
data_directory = %[1]s/data
command_directory = /usr/sbin
daemon_directory = /usr/lib/postfix/sbin
mail_owner = postfix
setgid_group = postdrop
maillog_file = /dev/stdout
myhostname = mx.relay.test
mydestination =
mynetworks = 127.0.0.1
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
alias_maps =
local_recipient_maps =
local_header_rewrite_clients =
relayhost = [127.0.0.1]:%[2]d
smtp_line_length_limit = 0
smtpd_error_sleep_time = 0
smtpd_client_connection_rate_limit = 0
in_flow_delay = 0
header_checks = regexp:%[1]s/header_checks
body_checks = regexp:%[1]s/body_checks
`

const masterCF = `127.0.0.1:%d inet n - n - - smtpd
postlog unix-dgram n - n - 1 postlogd
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
smtp unix - - n - - smtp
relay unix - - n - - smtp
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
`
