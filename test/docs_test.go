// SPDX-License-Identifier: MIT

package test

import (
	"crypto/rand"
	"os"
	"strings"
	"testing"

	"posthouse/certs"
)

// The example in docs is a cluster file that is accepted as it stands, once the files that it names are there.
func TestDocumentedExample(t *testing.T) {
	t.Parallel()
	dir := room(t)
	text, err := os.ReadFile("../docs/posthouse.example.yaml")
	if err != nil {
		t.Fatal(err)
	}
	ca, err := certs.MakeCA("example")
	if err != nil {
		t.Fatal(err)
	}
	cert, key, err := ca.Issue("mx.example.org", "out.example.org", "drop.example.org")
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"posthouse.yaml": string(text), "tls/fullchain.pem": string(cert), "tls/privkey.pem": string(key),
		"srs.secret": rand.Text() + "\n", "sasl-users": "someone:{PLAIN}secret\n", "keys/example": rsaKey(t),
		"virtual":          "postmaster@example.org someone@drop.example.org\nsomeone@example.org someone@drop.example.org\n",
		"virtual-maildrop": "someone@drop.example.org someone\n",
		"transport":        "drop.example.org smtp:[127.0.0.1]:24\n",
		"signers":          "*@example.org example\n", "keytable": "example example.org:mail:keys/example\n",
	} {
		writeFile(t, dir, name, text, 0o600)
	}
	if r := posthouse(t, dir, "config", "check", "--config", "posthouse.yaml"); r.code != 0 || r.out != "posthouse.yaml: good\n" {
		t.Errorf("code %d\n%s%s", r.code, r.out, r.err)
	}
}

// The whole MX of the guide from Postfix is a cluster file too, with tables as Postfix has them.
func TestGuideFromPostfix(t *testing.T) {
	t.Parallel()
	dir := room(t)
	page := readFile(t, "../docs", "postfix.md")
	_, text, found := strings.Cut(page, "```yaml\n")
	text, _, ended := strings.Cut(text, "```")
	if !found || !ended || strings.Count(page, "```yaml") != 1 {
		t.Fatal("the page does not have its one cluster file")
	}
	ca, err := certs.MakeCA("example")
	if err != nil {
		t.Fatal(err)
	}
	cert, key, err := ca.Issue("mx.example.org")
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"posthouse.yaml": text, "tls/fullchain.pem": string(cert), "tls/privkey.pem": string(key), "srs.secret": rand.Text() + "\n",
		"virtual-domains": "example.org x\n", "virtual": "postmaster@example.org someone@example.net\n",
		"senders": "<> DUNNO\nspammer.example REJECT\n", "clients": "198.51.100.0/24 REJECT your network sends junk\n",
		"header_checks": "/^Subject: .*lottery/ REJECT no games\n",
	} {
		writeFile(t, dir, name, text, 0o600)
	}
	if r := posthouse(t, dir, "config", "check", "--config", "posthouse.yaml"); r.code != 0 || r.out != "posthouse.yaml: good\n" {
		t.Errorf("code %d\n%s%s", r.code, r.out, r.err)
	}
}
