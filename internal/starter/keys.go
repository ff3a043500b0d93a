// SPDX-License-Identifier: MIT

package starter

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"posthouse/auth"
	"posthouse/certs"
)

// certificates makes a CA for this folder alone and one certificate for all its names. The CA's key is not kept: nobody can
// use it for anything else.
func certificates(dir string, _ Options) error {
	ca, err := certs.MakeCA("posthouse test CA")
	if err != nil {
		return err
	}
	cert, key, err := ca.Issue(Domain, "mail."+Domain, "mx."+Domain, "out."+Domain, "drop."+Domain, "localhost", "127.0.0.1")
	if err != nil {
		return err
	}
	if err := write(dir, "tls/ca.pem", ca.PEM(), 0o644); err != nil {
		return err
	}
	if err := write(dir, "tls/fullchain.pem", cert, 0o644); err != nil {
		return err
	}
	return write(dir, "tls/privkey.pem", key, 0o600)
}

// signingKey makes the DKIM key and publishes it in the zone.
func signingKey(dir string, _ Options) error {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return err
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	public, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		return err
	}
	file := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})
	if err := write(dir, "keys/"+Domain+".private", file, 0o600); err != nil {
		return err
	}
	zone := filepath.Join(dir, "zone")
	text, err := os.ReadFile(zone)
	if err != nil {
		return err
	}
	text = fmt.Appendf(text, "test._domainkey IN TXT %s\n", quoted("v=DKIM1; k=rsa; p="+base64.StdEncoding.EncodeToString(public)))
	return write(dir, "zone", text, 0o644)
}

// quoted is a TXT record's text as character-strings of at most 255 octets (RFC 1035 3.3.14).
func quoted(text string) string {
	var parts []string
	for len(text) > 255 {
		parts, text = append(parts, `"`+text[:255]+`"`), text[255:]
	}
	return strings.Join(append(parts, `"`+text+`"`), " ")
}

// secrets makes the SRS secret, and the user with a random password: hashed for the services, in the clear for whoever
// started this.
func secrets(dir string, _ Options) error {
	password := rand.Text()
	hash, err := auth.Hash("BLF-CRYPT", password)
	if err != nil {
		return err
	}
	for name, text := range map[string]string{
		"srs.secret":  rand.Text() + "\n",
		"sasl-users":  User + ":" + hash + "\n",
		"credentials": User + "@" + Domain + ":" + password + "\n",
	} {
		if err := write(dir, name, []byte(text), 0o600); err != nil {
			return err
		}
	}
	return nil
}
