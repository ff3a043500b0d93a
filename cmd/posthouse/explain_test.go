// SPDX-License-Identifier: MIT

package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"posthouse/smtpin"
)

// explained is a folder with a cluster file of one smtp-in, and its names.
func explained(t *testing.T) (dir, file string) {
	t.Helper()
	dir = t.TempDir()
	for name, text := range map[string]string{
		"posthouse.yaml": `cluster: ours.test
nodes: [{host: mx.ours.test, services: [smtp_in]}]
data_dir: data
resolver: {zone_file: zone}
smtp_in:
  hostname: mx.ours.test
  listen: ["127.0.0.1:0"]
  sender_restrictions: ["check_sender_access hash:senders"]
  recipient_restrictions: [reject_rbl_client zen.test, check_greylist]
  greylist: {recipient_exceptions: [pim@ours.test]}
  header_checks: "regexp:headers"
  virtual_alias_domains: [ours.test]
  virtual_alias_maps: virtual
  srs: {domain: ours.test, secret_file: secret}
`,
		"zone": `client.test. TXT "v=spf1 ip4:192.0.2.1 -all"
client.test. MX 10 mail.client.test.
mail.client.test. A 192.0.2.1
1.2.0.192.in-addr.arpa. PTR mail.client.test.
9.2.0.192.zen.test. A 127.0.0.2
9.2.0.192.zen.test. TXT "seen in a trap"
2.0.0.127.zen.test. A 127.0.0.2
`,
		"senders": "bad@client.test REJECT go away\n",
		"headers": "/^Subject: free/ REJECT nothing is\n",
		"virtual": "postmaster@ours.test pim@far.test\npim@ours.test pim@far.test\n",
		"secret":  "notverysecret\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir, filepath.Join(dir, "posthouse.yaml")
}

// steady takes out what differs from run to run.
func steady(s string) string {
	s = regexp.MustCompile(` \(\d+m?s\)`).ReplaceAllString(s, "")
	s = regexp.MustCompile(`SRS0=[^=]+=[^=]+=`).ReplaceAllString(s, "SRS0=HASH=DAY=")
	return regexp.MustCompile(`queued as \w+`).ReplaceAllString(s, "queued as ID")
}

func TestExplain(t *testing.T) {
	t.Parallel()
	dir, file := explained(t)
	got := call(t, "", "explain", "--config", file, "--client", "192.0.2.1", "--helo", "mail.client.test", "--from", "a@client.test", "--to", "<pim@ours.test>")
	want := `client 192.0.2.1, helo mail.client.test, from <a@client.test>
connect
  client name
    192.0.2.1: mail.client.test
rcpt relay_restrictions
  permit_mynetworks
    client in mynetworks: no
    dunno
  permit_sasl_authenticated: dunno
  defer_unauth_destination
    authorised pim@ours.test: yes
    dunno
rcpt sender_restrictions
  check_sender_access hash:senders: dunno
rcpt recipient_restrictions
  reject_rbl_client zen.test
    zen.test 192.0.2.1: not listed
    dunno
  check_greylist
    greylist: excepted recipient
    dunno
mail
  spf
    client.test: pass
expand
  virtual_alias_maps
    pim@ours.test: pim@far.test (goes on) by virtual:2: pim@ours.test -> pim@far.test
replies
  MAIL FROM:<a@client.test>
    250 2.1.0 Ok
  RCPT TO:<pim@ours.test>
    250 2.1.5 Ok
goes to
  pim@far.test for pim@ours.test, sender SRS0=HASH=DAY=client.test=a@ours.test
`
	if diff := cmp.Diff(want, steady(got.out)); got.code != 0 || diff != "" {
		t.Errorf("%d %s\n%s", got.code, got.err, diff)
	}
	if !strings.Contains(got.err, "smtp-in does not run here") {
		t.Errorf("stderr: %q", got.err)
	}
	if _, err := os.Stat(filepath.Join(dir, "data")); err == nil {
		t.Error("a question left a folder")
	}
}

// TestExplainReplies: the last reply in each case is what a client would read.
func TestExplainReplies(t *testing.T) {
	t.Parallel()
	_, file := explained(t)
	for _, c := range []struct{ client, from, to, message, want string }{
		{"192.0.2.9", "a@client.test", "pim@ours.test", "", "554 5.7.1 Service unavailable; Client host [192.0.2.9] blocked using zen.test; seen in a trap"},
		{"192.0.2.1", "bad@client.test", "pim@ours.test", "", "554 5.7.1 Sender address [bad@client.test] rejected: go away"},
		{"192.0.2.1", "a@client.test", "nobody@ours.test", "", "450 4.2.0 Recipient address rejected: Greylisted, try again in 300 seconds"},
		{"192.0.2.1", "<>", "pim@elsewhere.test", "", "454 4.7.1 "},
		{"192.0.2.1", "a@client.test", "pim@ours.test", "Subject: free beer\n\ntext\n", "550 5.7.1 nothing is"},
		{"192.0.2.1", "a@client.test", "pim@ours.test", "Subject: beer\n\ntext\n", "250 2.0.0 Ok: queued as ID"},
		{"::ffff:192.0.2.9", "a@client.test", "pim@ours.test", "", "554 5.7.1 Service unavailable; Client host [192.0.2.9] blocked"},
	} {
		args := []string{"explain", "--json", "--config", file, "--client", c.client, "--from", c.from, "--to", c.to}
		if c.message != "" {
			args = append(args, "--message", "-")
		}
		got := call(t, c.message, args...)
		var e smtpin.Explanation
		if err := json.Unmarshal([]byte(got.out), &e); err != nil {
			t.Errorf("%+v: %+v", c, got)
			continue
		}
		if last := steady(e.Replies[len(e.Replies)-1].Reply); !strings.HasPrefix(last, c.want) {
			t.Errorf("%+v: %s", c, last)
		}
	}
}

// TestExplainWrong: what is wrong is said, with what would be right.
func TestExplainWrong(t *testing.T) {
	t.Parallel()
	dir, file := explained(t)
	const id = "25wwsvvdyjjrywwg959y"
	for line, want := range map[string]struct {
		code int
		text string
	}{
		"explain":                    {2, "explain needs a message: --client, --from and --to, or --id, or --last"},
		"explain --client 192.0.2.1": {2, "explain needs --from"},
		"explain --from a@b.test":    {2, "explain needs --client"},
		"explain --client x --from a@b.test --to c@d.test":                    {2, `--client "x" is not an IP address`},
		"explain --client 192.0.2.1 --from a@ --to c@d.test":                  {2, `--from "a@": `},
		"explain --client 192.0.2.1 --from a@b.test --to nonsense":            {2, `--to "nonsense": `},
		"explain --client 192.0.2.1 --from a@b.test --to c@d.test --id " + id: {2, "--id and --last show what has happened"},
		"explain --id nonsense":                                               {2, `"nonsense" is not a queue id`},
		"explain --last 0":                                                    {2, "--last 0: how many?"},
		"explain --id " + id + " --last 3":                                    {2, "--id and --last exclude each other"},
		"explain --config " + file + " --id " + id:                            {1, "refusals are remembered by the running service alone"},
		"explain --config " + file + " --client 192.0.2.1 --from a@b.test --to c@d.test --message " + dir + "/none": {1, "no such file"},
		"explain --config " + file + " --client 192.0.2.1 --from a@b.test --to c@d.test --message " + os.DevNull:    {1, "is empty"},
	} {
		got := call(t, "", strings.Fields(line)...)
		if got.code != want.code || got.out != "" || !strings.Contains(got.err, want.text) {
			t.Errorf("%s: %+v", line, got)
		}
	}
}
