// SPDX-License-Identifier: MIT

package maillab

import (
	"crypto/tls"
	"testing"

	"posthouse/certs"
)

// CA signs for servers of a test.
type CA struct{ *certs.CA }

// NewCA makes one that nobody else trusts.
func NewCA(t testing.TB) CA {
	t.Helper()
	ca, err := certs.MakeCA("lab")
	if err != nil {
		t.Fatal(err)
	}
	return CA{ca}
}

// Certificate is one for these names, good for years.
func (ca CA) Certificate(t testing.TB, names ...string) tls.Certificate {
	t.Helper()
	cert, key, err := ca.Issue(names...)
	if err != nil {
		t.Fatal(err)
	}
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		t.Fatal(err)
	}
	return pair
}
