// SPDX-License-Identifier: MIT

package test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"posthouse/internal/maillab"
)

// What fails alike in several services is said once.
func TestSameFailureOnce(t *testing.T) {
	t.Parallel()
	s := up(t)
	config := filepath.Join(s.dir, "posthouse.yaml")
	r := posthouse(t, s.dir, "queue", "export", config, "--config", config)
	wrong(t, r, "smtp-in, smtp-out, maildrop: ", "not a directory")
	r = posthouse(t, s.dir, "send", s.user, "--config", config, "--ca-file", config)
	if r.code != 1 || !contains(r.err, "posthouse.yaml: no certificate in PEM") {
		t.Errorf("code %d: %s", r.code, r.err)
	}
}

// wrong checks that a command fails, says why, and says it on standard error alone.
func wrong(t *testing.T, r result, want ...string) {
	t.Helper()
	if r.code == 0 || r.out != "" || !strings.Contains("\n"+r.err, "\nposthouse: error: ") {
		t.Errorf("code %d, output %q, error %q", r.code, r.out, r.err)
	}
	for _, w := range want {
		if !contains(r.err, w) {
			t.Errorf("the error has no %q: %s", w, r.err)
		}
	}
	if contains(r.err, "goroutine ") {
		t.Errorf("it panicked: %s", r.err)
	}
}

func TestWrongCommandLines(t *testing.T) {
	t.Parallel()
	dir := room(t)
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"smpt-in"}, "smpt-in"},
		{[]string{"up", "--prot-base", "1"}, "--prot-base"},
		{[]string{"up", "--port-base", "65000"}, "65000"},
		{[]string{"smtp-in", "--config", "missing.yaml"}, "missing.yaml"},
		{[]string{"config", "check", "--config", "missing.yaml"}, "missing.yaml"},
		{[]string{"srs", "forward", "not an address"}, "not an address"},
		{[]string{"alias", "a@b@c"}, "a@b@c"},
		{[]string{"queue", "show"}, ""},
	} {
		wrong(t, posthouse(t, dir, c.args...), c.want)
	}
	if left, _ := os.ReadDir(dir); len(left) > 0 {
		t.Errorf("failed commands left %v", left)
	}
}

func TestPortInUse(t *testing.T) {
	t.Parallel()
	sink := maillab.NewSink(t, maillab.SinkOptions{})
	r := newRelay(t, room(t), sink.Addr(), "")
	text := strings.Replace(readFile(t, r.dir, "posthouse.yaml"), r.address, sink.Addr(), 1)
	writeFile(t, r.dir, "posthouse.yaml", text, 0o644)
	wrong(t, r.command(t, "smtp-in"), sink.Addr(), "in use")
}

func TestSecondProcess(t *testing.T) {
	t.Parallel()
	sink := maillab.NewSink(t, maillab.SinkOptions{})
	r := newRelay(t, room(t), sink.Addr(), "")
	r.start(t)
	text := readFile(t, r.dir, "posthouse.yaml")
	text = strings.Replace(text, r.address, maillab.Local(maillab.FreePort(t)), 1)
	text = strings.Replace(text, r.admin, maillab.Local(maillab.FreePort(t)), 1)
	writeFile(t, r.dir, "posthouse.yaml", text, 0o644)
	wrong(t, r.command(t, "smtp-in"), "state", "in use by another process", "posthouse: hint: posthouse runs there already")
	if r.Ended() {
		t.Error("the first process did not live through it")
	}
}

func TestMissingFiles(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"virtual", "transport", "zone"} {
		r := newRelay(t, room(t), "127.0.0.1:9", "")
		if err := os.Remove(filepath.Join(r.dir, name)); err != nil {
			t.Fatal(err)
		}
		wrong(t, r.command(t, "smtp-in"), name, "posthouse.yaml:")
	}
}

// A file in the place of the mailboxes is named before mail waits for it.
func TestFileInPlaceOfMailboxes(t *testing.T) {
	t.Parallel()
	s := up(t)
	if err := s.Stop(); err != nil {
		t.Fatal(err)
	}
	writeFile(t, filepath.Dir(s.dir), "occupied", "", 0o600)
	text := strings.Replace(readFile(t, s.dir, "posthouse.yaml"), "{root: mail}", "{root: ../occupied}", 1)
	writeFile(t, s.dir, "posthouse.yaml", text, 0o644)
	wrong(t, posthouse(t, s.dir, "up", "--dir", s.dir), "maildrop.maildir.root", "occupied is no folder")
}

func TestKeyThatIsNone(t *testing.T) {
	t.Parallel()
	dir := ipng(t)
	writeFile(t, dir, "tls/privkey.pem", "no key\n", 0o600)
	wrong(t, posthouse(t, dir, "config", "check", "--config", "posthouse.yaml", "--node", "smtp-in.chrma0.net.ipng.ch"), "privkey.pem")
}

func TestVersion(t *testing.T) {
	t.Parallel()
	if r := posthouse(t, ".", "version"); r.code != 0 || !strings.HasPrefix(r.out, "posthouse ") {
		t.Errorf("code %d, output %q", r.code, r.out)
	}
}

// The commands that answer about the tables of a running or stopped cluster.
func TestQuestions(t *testing.T) {
	t.Parallel()
	s := up(t)
	config := filepath.Join(s.dir, "posthouse.yaml")
	for _, c := range []struct {
		args []string
		want []string
	}{
		{[]string{"alias", "postmaster@posthouse.test"}, []string{"guest+postmaster@drop.posthouse.test", "virtual:"}},
		{[]string{"srs", "forward", "a@example.test"}, []string{"SRS0=", "=example.test=a@posthouse.test"}},
		{[]string{"config", "check"}, nil},
		{[]string{"config", "show"}, []string{"cluster: posthouse.test"}},
		{[]string{"queue", "list"}, nil},
		{[]string{"queue", "upgrade"}, []string{"smtp-in upgraded\n", "maildrop upgraded\n"}},
		{[]string{"queue", "upgrade", "--json"}, []string{`{"service":"smtp-in"}`}},
		{[]string{"queue", "export", filepath.Join(s.dir, "none")}, []string{"0 messages\n"}},
	} {
		r := posthouse(t, s.dir, append(c.args, "--config", config)...)
		if r.code != 0 {
			t.Errorf("%v: code %d: %s", c.args, r.code, r.err)
		}
		for _, w := range c.want {
			if !contains(r.out, w) {
				t.Errorf("%v: no %q in %q", c.args, w, r.out)
			}
		}
	}
	there := strings.TrimSpace(posthouse(t, s.dir, "srs", "forward", "a@example.test", "--config", config).out)
	if back := posthouse(t, s.dir, "srs", "reverse", there, "--config", config); strings.TrimSpace(back.out) != "a@example.test" {
		t.Errorf("%s comes back as %q %s", there, back.out, back.err)
	}
}
