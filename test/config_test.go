// SPDX-License-Identifier: MIT

package test

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"os"
	"strings"
	"testing"

	"posthouse/certs"
)

func contains(s, part string) bool { return strings.Contains(s, part) }

// ipng copies the example cluster and makes what it names: a certificate, DKIM keys, the SRS secret.
func ipng(t *testing.T) string {
	t.Helper()
	dir := room(t)
	if err := os.CopyFS(dir, os.DirFS("testdata/ipng")); err != nil {
		t.Fatal(err)
	}
	ca, err := certs.MakeCA("example")
	if err != nil {
		t.Fatal(err)
	}
	names := []string{"ipng.ch", "*.ipng.ch", "*.net.ipng.ch"}
	for _, site := range []string{"chrma0", "frggh0", "nlams2", "chbtl0", "ddln0"} {
		names = append(names, "*."+site+".net.ipng.ch")
	}
	cert, key, err := ca.Issue(names...)
	if err != nil {
		t.Fatal(err)
	}
	writeFile(t, dir, "tls/fullchain.pem", string(cert), 0o644)
	writeFile(t, dir, "tls/privkey.pem", string(key), 0o600)
	writeFile(t, dir, "srs.secret", rand.Text()+"\n", 0o600)
	for _, domain := range []string{"ipng.nl", "ipng.ch", "ublog.tech"} {
		writeFile(t, dir, "keys/DKIM2022-"+domain+"-private", rsaKey(t), 0o600)
	}
	return dir
}

// rsaKey is a key as `openssl genrsa` writes it.
func rsaKey(t *testing.T) string {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
}

// The example cluster is accepted as it stands, for every node and as a whole; what is not enforced yet is named.
func TestExampleCluster(t *testing.T) {
	t.Parallel()
	dir := ipng(t)
	for _, node := range []string{
		"", "smtp-in.chrma0.net.ipng.ch", "smtp-in.frggh0.net.ipng.ch", "smtp-in.nlams2.net.ipng.ch", "smtp-out.chrma0.net.ipng.ch",
		"smtp-out.frggh0.net.ipng.ch", "smtp-out.nlams2.net.ipng.ch", "maildrop0.chbtl0.net.ipng.ch", "maildrop0.ddln0.net.ipng.ch",
		"nginx0.chrma0.net.ipng.ch", "nginx0.frggh0.net.ipng.ch", "nginx0.nlams2.net.ipng.ch",
	} {
		args := []string{"config", "check", "--config", "posthouse.yaml"}
		if node != "" {
			args = append(args, "--node", node)
		}
		if r := posthouse(t, dir, args...); r.code != 0 {
			t.Errorf("node %q: code %d\n%s%s", node, r.code, r.out, r.err)
		}
	}
}

// All complaints come at once, each with file, line and column and the line itself.
func TestConfigCheckNamesPlaces(t *testing.T) {
	t.Parallel()
	dir := ipng(t)
	text := readFile(t, dir, "posthouse.yaml")
	text = strings.Replace(text, "cluster: ipng.ch", "cluster: ipng.ch\nclutser: ipng.ch", 1)
	text = strings.Replace(text, "  message_size_limit: 50MiB", "  message_size_limit: fifty", 1)
	writeFile(t, dir, "posthouse.yaml", text, 0o644)
	r := posthouse(t, dir, "config", "check", "--config", "posthouse.yaml")
	if r.code == 0 {
		t.Fatal("a wrong file was accepted")
	}
	all := r.out + r.err
	for _, want := range []string{"posthouse.yaml:8:1: ", "clutser", "message_size_limit: fifty", "^"} {
		if !contains(all, want) {
			t.Errorf("no %q in:\n%s", want, all)
		}
	}
}

// What is printed with the defaults filled in is itself a cluster file.
func TestConfigShow(t *testing.T) {
	t.Parallel()
	dir := ipng(t)
	r := posthouse(t, dir, "config", "show", "--config", "posthouse.yaml", "--node", "smtp-in.chrma0.net.ipng.ch")
	if r.code != 0 || !contains(r.out, "message_size_limit: 50MiB") || !contains(r.out, "recipient_delimiter:") {
		t.Errorf("code %d\n%s%s", r.code, r.out, r.err)
	}
}
