// SPDX-License-Identifier: MIT

//go:build interop

package ipng

import (
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"posthouse/internal/maillab"
)

// example is the folder of the example cluster, with the keys that it names.
func example(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(room(t), "etc")
	if err := os.CopyFS(dir, os.DirFS("../testdata/ipng")); err != nil {
		t.Fatal(err)
	}
	makeKeys(t, dir)
	return dir
}

// makeKeys makes what the example's make-keys.sh makes.
func makeKeys(t *testing.T, dir string) {
	t.Helper()
	names := "DNS:ipng.ch,DNS:*.ipng.ch,DNS:*.net.ipng.ch"
	for _, site := range []string{"chrma0", "frggh0", "nlams2", "chbtl0", "ddln0"} {
		names += ",DNS:*." + site + ".net.ipng.ch"
	}
	for _, d := range []string{"tls", "keys"} {
		if err := os.MkdirAll(filepath.Join(dir, d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	openssl(t, dir, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30", "-subj", "/CN=ipng.ch",
		"-addext", "subjectAltName="+names, "-keyout", "tls/privkey.pem", "-out", "tls/fullchain.pem")
	for _, domain := range []string{"ipng.nl", "ipng.ch", "ublog.tech"} {
		openssl(t, dir, "genrsa", "-out", "keys/DKIM2022-"+domain+"-private", "2048")
	}
	openssl(t, dir, "rand", "-hex", "-out", "srs.secret", "16")
	for _, secret := range []string{"tls/privkey.pem", "srs.secret"} {
		if err := os.Chmod(filepath.Join(dir, secret), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func openssl(t *testing.T, dir string, args ...string) {
	t.Helper()
	cmd := exec.Command("openssl", args...)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("openssl %s: %v\n%s", args[0], err, out)
	}
}

// The example here is the example of the specification, where that is at hand.
func TestExampleIsAsSpecified(t *testing.T) {
	t.Parallel()
	spec := os.DirFS("../../../shared/examples/ipng")
	names, err := fs.Glob(spec, "*")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		if name == "README.md" || strings.HasSuffix(name, ".sh") {
			continue // words, and what makeKeys does
		}
		want, err := fs.ReadFile(spec, name)
		if err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile(filepath.Join("../testdata/ipng", name))
		if err != nil || string(got) != string(want) {
			t.Errorf("%s differs from the specification (%v)", name, err)
		}
	}
}

// mx is a running smtp-in.
type mx struct {
	*maillab.Process
	dir, node, address string
}

// startMX starts a node of the cluster file in dir and waits until it takes mail at its address.
func startMX(t *testing.T, dir, node, address string) *mx {
	t.Helper()
	m := &mx{dir: dir, node: node, address: address}
	m.start(t)
	return m
}

// start starts it, also again.
func (m *mx) start(t *testing.T) {
	t.Helper()
	m.Process = maillab.Start(t, m.dir, binary, "smtp-in", "--config", "posthouse.yaml", "--node", m.node)
	maillab.Wait(t, 3*maillab.Patience, "smtp-in on "+m.address, func() bool {
		if m.Ended() {
			t.Fatal("smtp-in ended before it took mail")
		}
		k, _, err := dial(m.address, "127.0.0.1")
		if err == nil {
			k.close()
		}
		return err == nil
	})
}

// command runs a posthouse command on it.
func (m *mx) command(t *testing.T, args ...string) string {
	t.Helper()
	out, err := maillab.Run(t, m.dir, binary, append(args, "--config", "posthouse.yaml", "--node", m.node)...)
	if err != nil {
		t.Errorf("posthouse %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return out
}

// setFile is the cluster file of a set: address, further lines of smtp_in, folder of the example.
const setFile = `cluster: ipng.ch
nodes:
  - {host: smtp-in.lab.test, services: [smtp_in]}
data_dir: state
admin: {listen: "%[2]s"}
tls: {certificate: %[4]s/tls/fullchain.pem, key: %[4]s/tls/privkey.pem}
resolver: {servers: ["127.0.0.1:53"]}
mynetworks: ["127.0.0.0/8", "::1/128"]
smtp_in:
  hostname: smtp-in.ipng.ch
  listen: [{address: "%[1]s"}, {address: "%[5]s"}]
  virtual_alias_domains: %[4]s/virtual-domains
  virtual_alias_maps: %[4]s/virtual
  recipient_delimiter: "+"
  srs: {domain: ipng.ch, secret_file: %[4]s/srs.secret}
%[3]s`

// startSet starts ours with the lists of a set.
func startSet(t *testing.T, s *set, n int, example string) *mx {
	t.Helper()
	m := prepareSet(t, s, n, example)
	m.start(t)
	return m
}

// prepareSet writes the files of ours with the lists of a set.
func prepareSet(t *testing.T, s *set, n int, example string) *mx {
	t.Helper()
	dir := room(t)
	s.writeTables(t, dir)
	var more strings.Builder
	relay := false
	for _, l := range s.lists {
		relay = relay || l[0] == "relay_restrictions"
		fmt.Fprintf(&more, "  %s:\n", l[0])
		for _, entry := range entries(s.resolved(l[1], dir, "ours")) {
			fmt.Fprintf(&more, "    - %q\n", entry)
		}
	}
	if !relay {
		more.WriteString("  relay_restrictions: [permit_mynetworks, reject_unauth_destination]\n")
	}
	for _, line := range s.both["posthouse"] {
		fmt.Fprintf(&more, "  %s\n", s.resolved(line, dir, "ours"))
	}
	address, admin := fmt.Sprintf("127.0.7.%d:25", n+1), fmt.Sprintf("127.0.7.%d:9143", n+1)
	write(t, filepath.Join(dir, "posthouse.yaml"), fmt.Sprintf(setFile, address, admin, more.String(), example, six(address)))
	return &mx{dir: dir, node: "smtp-in.lab.test", address: address}
}

// entries splits a list as Postfix has it into restrictions with their arguments: at commas outside braces.
func entries(list string) []string {
	var all []string
	depth, start := 0, 0
	for i, c := range list + "," {
		switch {
		case c == '{':
			depth++
		case c == '}':
			depth--
		case c == ',' && depth == 0:
			all, start = append(all, strings.TrimSpace(list[start:i])), i+1
		}
	}
	return all
}
