// SPDX-License-Identifier: MIT

package certs

import "crypto/tls"

// Profile is what a listener asks of TLS.
type Profile uint8

// Port25 takes what comes; Submission wants TLS 1.2.
const (
	Port25 Profile = iota
	Submission
)

// Server is the configuration for a listener. It follows reloads: every handshake looks at the certificates anew.
func (s *Store) Server(p Profile) *tls.Config {
	c := &tls.Config{GetCertificate: s.choose, MinVersion: tls.VersionTLS12}
	if p == Port25 {
		c.MinVersion = tls.VersionTLS10
		c.SessionTicketsDisabled = true
		c.CipherSuites = opportunistic()
	}
	return c
}

// opportunistic adds RSA key exchange with AES: old senders have nothing else, and would send in the clear.
func opportunistic() []uint16 {
	var ids []uint16
	for _, c := range tls.CipherSuites() {
		ids = append(ids, c.ID)
	}
	return append(ids,
		tls.TLS_RSA_WITH_AES_128_GCM_SHA256, tls.TLS_RSA_WITH_AES_256_GCM_SHA384,
		tls.TLS_RSA_WITH_AES_128_CBC_SHA, tls.TLS_RSA_WITH_AES_256_CBC_SHA)
}

// choose goes by the name that the client asks for (RFC 6066 3), then by the kind of key that it understands; a client
// that fits neither gets the first certificate, since most mail servers do not check names.
func (s *Store) choose(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	list := *s.current.Load()
	if c := fitting(list, hello); c != nil {
		return c, nil
	}
	nameless := *hello
	nameless.ServerName = ""
	if c := fitting(list, &nameless); c != nil {
		return c, nil
	}
	return &list[0].cert, nil
}

func fitting(list []loaded, hello *tls.ClientHelloInfo) *tls.Certificate {
	for i := range list {
		if hello.SupportsCertificate(&list[i].cert) == nil {
			return &list[i].cert
		}
	}
	return nil
}
