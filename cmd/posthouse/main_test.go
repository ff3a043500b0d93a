// SPDX-License-Identifier: MIT

package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// called is what a command line came to.
type called struct {
	code     int
	out, err string
}

// call runs a command line.
func call(t *testing.T, stdin string, args ...string) called {
	t.Helper()
	var out, err strings.Builder
	code := run(t.Context(), args, streams{strings.NewReader(stdin), &out, &err})
	return called{code, out.String(), err.String()}
}

// A wrong command line ends with 2, says what is wrong and what would be right, and prints no result.
func TestWrongCommandLines(t *testing.T) {
	t.Parallel()
	for line, want := range map[string][2]string{
		"smtp_in":                              {`posthouse has no command "smtp_in"`, "did you mean smtp-in?"},
		"nonsense":                             {`posthouse has no command "nonsense"`, "`posthouse --help` lists the commands"},
		"config chekc":                         {`posthouse config has no command "chekc"`, "did you mean check?"},
		"queue lst":                            {`posthouse queue has no command "lst"`, "did you mean list?"},
		"version now":                          {`posthouse version takes no arguments, not "now"`, "`posthouse version --help` lists the flags"},
		"up here":                              {`posthouse up takes no arguments, not "here"`, "`posthouse up --help` lists the flags"},
		"up --outisde":                         {"unknown flag: --outisde", "`posthouse up --help` lists the flags"},
		"alias":                                {"posthouse alias takes one ADDRESS, not 0", "posthouse alias ADDRESS"},
		"srs forward a@b.test c":               {"posthouse srs forward takes one ADDRESS, not 2", "posthouse srs forward ADDRESS"},
		"queue hold":                           {"queue hold needs to know which mail", "name ids, a filter (--help lists them), or --all"},
		"queue export":                         {"posthouse queue export takes one DIR, not 0", "posthouse queue export DIR"},
		"queue import /tmp":                    {"queue import needs to know which queue", "say --service smtp-out, for instance"},
		"queue show nonsense":                  {`"nonsense" is not a queue id`, "`posthouse queue list` shows the ids"},
		"dkim keygen -d a..test -s x -k nokey": {`--domain "a..test" is no name in the DNS`, "the record stands at SELECTOR._domainkey.DOMAIN"},
		"dkim dns -d a.test -s x.. -k nokey":   {`--selector "x.." is no name in the DNS`, "the record stands at SELECTOR._domainkey.DOMAIN"},
		"send":                                 {"posthouse send needs a recipient", "posthouse send guest@posthouse.test"},
		"dkim keygen":                          {"posthouse dkim keygen needs --domain", "`posthouse dkim keygen --help` lists the flags"},
		"passwd a b":                           {"posthouse passwd takes one USER, not 2", "the password comes from the terminal or standard input, never from the command line"},
		"passwd a:b":                           {`user "a:b": a name has no colon and no line break`, "posthouse passwd USER"},
		"passwd --scheme rot13 ann":            {`unknown scheme "ROT13"`, "--scheme takes one of "},
	} {
		got := call(t, "", strings.Fields(line)...)
		text := "posthouse: error: " + want[0] + "\nposthouse: hint: " + want[1]
		if got.code != 2 || got.out != "" || !strings.HasPrefix(got.err, text) {
			t.Errorf("%s: %+v", line, got)
		}
	}
}

// A failure ends with 1.
func TestFailures(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := filepath.Join(dir, "posthouse.yaml")
	if err := os.WriteFile(file, []byte("cluster: example.test\nndoes: []\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for line, want := range map[string]string{
		"queue list --config " + dir + "/none":    "error: " + dir + "/none: cannot be read: no such file or directory",
		"config check --config " + file:           ":2:1: ndoes: unknown key; did you mean nodes?",
		"smtp-in --config " + file:                "hint: `posthouse config check --config " + file + "` checks it for every node",
		"passwd ann":                              "error: an empty password is none",
		"alias notanaddress":                      `error: "notanaddress": `,
		"dkim keygen -d a.test -s x -k " + file:   "hint: a key is never overwritten; name another file with --key",
		"dkim dns -d a.test -s x -k " + file:      "posthouse.yaml: ",
		"dkim sign -d a.test -s y -k " + file:     "posthouse.yaml: not a private key",
		"dkim sign -d a.test -s x -k " + dir + "": "is a directory",
	} {
		got := call(t, "", strings.Fields(line)...)
		if got.code != 1 || got.out != "" || !strings.Contains(got.err, want) {
			t.Errorf("%s: %+v", line, got)
		}
	}
	if left, _ := os.ReadDir(dir); len(left) != 1 {
		t.Errorf("failed commands left %v", left)
	}
}

func TestPasswd(t *testing.T) {
	t.Parallel()
	got := call(t, "secret\nmore\n", "passwd", "--scheme", "{blf-crypt}", "ann")
	if got.code != 0 || !strings.HasPrefix(got.out, "ann:{BLF-CRYPT}$2") || got.err != "" {
		t.Errorf("%+v", got)
	}
}

// The keys that a file is read from are those it is shown with: what is printed is accepted.
func TestConfigShow(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := filepath.Join(dir, "posthouse.yaml")
	text := `cluster: example.test
nodes: [{host: mail.example.test, services: [maildrop]}]
maildrop:
  hostname: drop.example.test
  listen: [":24"]
  virtual_mailbox_domains: [drop.example.test]
  maildir: {root: mail}
`
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := call(t, "", "config", "check", "--config", file); got.code != 0 || got.out != file+": good\n" {
		t.Errorf("check: %+v", got)
	}
	first := call(t, "", "config", "show", "--config", file)
	if first.code != 0 || !strings.Contains(first.out, "message_size_limit: 50MiB\n") {
		t.Fatalf("%+v", first)
	}
	if err := os.WriteFile(file, []byte(first.out), 0o600); err != nil {
		t.Fatal(err)
	}
	second := call(t, "", "config", "show", "--config", file)
	if diff := cmp.Diff(first.out, second.out); diff != "" {
		t.Error(diff)
	}
}
