// SPDX-License-Identifier: MIT

package certs

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"posthouse/config"
)

// folder is a CA and the files it has issued.
type folder struct {
	t   *testing.T
	dir string
	ca  *CA
}

func newFolder(t *testing.T) *folder {
	t.Helper()
	ca, err := MakeCA("test CA")
	if err != nil {
		t.Fatal(err)
	}
	return &folder{t, t.TempDir(), ca}
}

func (f *folder) write(name string, data []byte) config.Path {
	f.t.Helper()
	path := filepath.Join(f.dir, name)
	if err := os.WriteFile(path, data, 0o600); err != nil {
		f.t.Fatal(err)
	}
	return config.Path(path)
}

// issue writes a pair for names into files called after file.
func (f *folder) issue(file string, names ...string) Pair {
	f.t.Helper()
	cert, key, err := f.ca.Issue(names...)
	if err != nil {
		f.t.Fatal(err)
	}
	return Pair{f.write(file+".pem", cert), f.write(file+".key", key)}
}

// rsaPair is a self-signed RSA pair, for clients that know nothing else.
func (f *folder) rsaPair(name string) Pair {
	f.t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		f.t.Fatal(err)
	}
	t, err := template(name)
	if err != nil {
		f.t.Fatal(err)
	}
	t.DNSNames = []string{name}
	der, err := x509.CreateCertificate(rand.Reader, t, t, &key.PublicKey, key)
	if err != nil {
		f.t.Fatal(err)
	}
	return Pair{
		f.write("rsa.pem", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})),
		f.write("rsa.key", pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)})),
	}
}

// shake runs a handshake and returns the certificate and state that the client saw.
func shake(t *testing.T, server, client *tls.Config) (*x509.Certificate, tls.ConnectionState, error) {
	t.Helper()
	a, b := net.Pipe()
	defer a.Close()
	defer b.Close()
	go func() { _ = tls.Server(b, server).Handshake() }()
	client = client.Clone()
	client.InsecureSkipVerify = true // names are what is tested
	c := tls.Client(a, client)
	if err := c.Handshake(); err != nil {
		return nil, tls.ConnectionState{}, err
	}
	s := c.ConnectionState()
	return s.PeerCertificates[0], s, nil
}

func TestChoice(t *testing.T) {
	t.Parallel()
	f := newFolder(t)
	s, err := Open(Config{Certificates: []Pair{f.issue("one", "one.test"), f.issue("two", "two.test", "192.0.2.1"), f.rsaPair("one.test")}})
	if err != nil {
		t.Fatal(err)
	}
	rsaOnly := []uint16{tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256}
	cases := map[string]struct {
		client *tls.Config
		name   string
		kind   x509.PublicKeyAlgorithm
	}{
		"by name":         {&tls.Config{ServerName: "two.test"}, "two.test", x509.ECDSA},
		"first":           {&tls.Config{ServerName: "other.test"}, "one.test", x509.ECDSA},
		"no name":         {&tls.Config{}, "one.test", x509.ECDSA},
		"by key":          {&tls.Config{ServerName: "one.test", MaxVersion: tls.VersionTLS12, CipherSuites: rsaOnly}, "one.test", x509.RSA},
		"by key, no name": {&tls.Config{ServerName: "two.test", MaxVersion: tls.VersionTLS12, CipherSuites: rsaOnly}, "one.test", x509.RSA},
	}
	for name, c := range cases {
		cert, _, err := shake(t, s.Server(Submission), c.client)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if cert.DNSNames[0] != c.name || cert.PublicKeyAlgorithm != c.kind {
			t.Errorf("%s: got %v, %v", name, cert.DNSNames, cert.PublicKeyAlgorithm)
		}
	}
}

func TestProfiles(t *testing.T) {
	t.Parallel()
	f := newFolder(t)
	s, err := Open(Config{Certificates: []Pair{f.issue("ec", "mx.test"), f.rsaPair("mx.test")}})
	if err != nil {
		t.Fatal(err)
	}
	old := &tls.Config{MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS10}
	if _, state, err := shake(t, s.Server(Port25), old); err != nil || state.Version != tls.VersionTLS10 {
		t.Errorf("port 25 with TLS 1.0: %v", err)
	}
	if _, _, err := shake(t, s.Server(Submission), old); err == nil {
		t.Error("submission takes TLS 1.0")
	}
	plain := &tls.Config{MaxVersion: tls.VersionTLS12, CipherSuites: []uint16{tls.TLS_RSA_WITH_AES_128_CBC_SHA}}
	if _, _, err := shake(t, s.Server(Port25), plain); err != nil {
		t.Errorf("port 25 with RSA key exchange: %v", err)
	}
	if !s.Server(Port25).SessionTicketsDisabled || s.Server(Submission).SessionTicketsDisabled {
		t.Error("session tickets")
	}
}

func TestReload(t *testing.T) {
	t.Parallel()
	f := newFolder(t)
	pair := f.issue("mx", "old.test")
	s, err := Open(Config{Certificate: pair.Certificate, Key: pair.Key})
	if err != nil {
		t.Fatal(err)
	}
	config := s.Server(Port25) // made before the change, as a listener's is
	serves := func(want string) {
		t.Helper()
		cert, _, err := shake(t, config, &tls.Config{})
		if err != nil || cert.DNSNames[0] != want {
			t.Errorf("serves %v, %v; want %s", cert.DNSNames, err, want)
		}
	}
	if changed, err := s.Reload(); changed || err != nil {
		t.Errorf("nothing new: %v, %v", changed, err)
	}
	cert, key, err := f.ca.Issue("new.test")
	if err != nil {
		t.Fatal(err)
	}
	f.write("mx.pem", cert) // half of a renewal
	if changed, err := s.Reload(); changed || err == nil {
		t.Errorf("half: %v, %v", changed, err)
	}
	serves("old.test")
	f.write("mx.key", key)
	if changed, err := s.Reload(); !changed || err != nil {
		t.Errorf("both: %v, %v", changed, err)
	}
	serves("new.test")
	f.write("mx.pem", []byte("broken"))
	if changed, err := s.Reload(); changed || err == nil || !strings.Contains(err.Error(), "mx.pem") {
		t.Errorf("broken: %v, %v", changed, err)
	}
	serves("new.test")
}

func TestOpenErrors(t *testing.T) {
	t.Parallel()
	f := newFolder(t)
	a, b := f.issue("a", "a.test"), f.issue("b", "b.test")
	if _, err := Open(Config{}); !errors.Is(err, ErrNone) {
		t.Errorf("none: %v", err)
	}
	for name, c := range map[string]Config{
		"no file":   {Certificate: "/nonexistent.pem", Key: a.Key},
		"no key":    {Certificate: a.Certificate, Key: "/nonexistent.key"},
		"not a key": {Certificate: a.Certificate, Key: a.Certificate},
		"mixed up":  {Certificate: a.Certificate, Key: b.Key},
	} {
		if _, err := Open(c); err == nil || !strings.Contains(err.Error(), "/") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestFacts(t *testing.T) {
	t.Parallel()
	f := newFolder(t)
	s, err := Open(Config{Certificates: []Pair{f.issue("a", "a.test"), f.issue("b", "b.test")}})
	if err != nil {
		t.Fatal(err)
	}
	if n := len(s.Paths()); n != 4 {
		t.Errorf("%d paths", n)
	}
	if left := time.Until(s.NotAfter()); left < 4*365*24*time.Hour {
		t.Errorf("expires in %s", left)
	}
	if _, _, err := f.ca.Issue(); err == nil {
		t.Error("a certificate without a name")
	}
	if w := s.Warnings(); len(w) != 0 {
		t.Errorf("keys of mode 0600: %q", w)
	}
	if err := os.Chmod(filepath.Join(f.dir, "b.key"), 0o644); err != nil {
		t.Fatal(err)
	}
	if s, err = Open(Config{Certificates: s.pairs}); err != nil || len(s.Warnings()) != 1 || !strings.Contains(s.Warnings()[0], "b.key") {
		t.Errorf("a key of mode 0644: %v", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(f.ca.PEM()) || !pool.Equal(f.ca.Pool()) {
		t.Error("the CA's PEM is not its pool")
	}
}

func TestConfig(t *testing.T) {
	t.Parallel()
	cases := map[string]string{
		"tls: {certificate: a}":                           "certificate has no key beside it",
		"tls: {key: a}":                                   "key has no certificate beside it",
		"tls: {certificates: [{certificate: a}]}":         "certificate has no key beside it",
		"tls: {certificates: [{}]}":                       "needs certificate and key",
		"tls: {certificate: a, key: b}":                   "",
		"tls: {certificates: [{certificate: a, key: b}]}": "",
	}
	for text, want := range cases {
		var into struct {
			TLS Config `yaml:"tls"`
		}
		_, report := config.Parse("test.yaml", []byte(text), &into)
		err := report.Err()
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
		if want == "" && len(into.TLS.Pairs()) != 1 {
			t.Errorf("%s: %d pairs", text, len(into.TLS.Pairs()))
		}
	}
}
