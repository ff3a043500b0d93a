// SPDX-License-Identifier: MIT

package relay

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"strings"

	"posthouse/smtpclient"
)

// level is what a hop has to offer, as in Postfix's smtp_tls_security_level.
type level uint8

const (
	none    level = iota // no TLS
	may                  // if it is offered and works
	encrypt              // TLS, whoever it is with
	verify               // and the certificate is good for the host's name
	secure               // and the certificate is good for the domain, which the DNS cannot forge
)

func parseLevel(s string) (level, error) {
	switch s {
	case "none":
		return none, nil
	case "", "may", "dane":
		return may, nil
	case "encrypt", "dane-only":
		return encrypt, nil
	case "verify":
		return verify, nil
	case "secure":
		return secure, nil
	}
	return none, fmt.Errorf("relay: unknown TLS level %q", s)
}

func (l level) mode() smtpclient.Mode {
	switch l {
	case none:
		return smtpclient.Plain
	case may:
		return smtpclient.Opportunistic
	}
	return smtpclient.Required
}

// tlsConfigs are the client side of TLS. Sessions are resumed, apart for those whose certificate was looked at and those
// where it was not.
type tlsConfigs struct {
	roots          *x509.CertPool
	blind, sighted tls.ClientSessionCache
}

const resumable = 256 // sessions kept

func newTLSConfigs(roots *x509.CertPool) *tlsConfigs {
	return &tlsConfigs{roots: roots, blind: tls.NewLRUClientSessionCache(resumable), sighted: tls.NewLRUClientSessionCache(resumable)}
}

// config is for a conversation with t. Where nothing is verified, old TLS is still better than none; where TLS is asked
// for, 1.2 is the least (RFC 8996).
func (c *tlsConfigs) config(l level, t target) *tls.Config {
	cfg := &tls.Config{ServerName: t.serverName(), RootCAs: c.roots, MinVersion: tls.VersionTLS12, ClientSessionCache: c.sighted}
	switch l {
	case none:
		return nil
	case may, encrypt:
		cfg.InsecureSkipVerify = true // nothing vouches for the names: encryption is all that is wanted
		cfg.ClientSessionCache = c.blind
		if l == may {
			cfg.MinVersion = tls.VersionTLS10
		}
	case secure:
		cfg.InsecureSkipVerify = true // replaced by verifyDomain
		cfg.VerifyConnection = c.verifyDomain(t.domain)
		cfg.ClientSessionCache = nil
	}
	return cfg
}

// verifyDomain checks the chain as usual and the name against the domain or one below it (Postfix: nexthop, dot-nexthop).
func (c *tlsConfigs) verifyDomain(domain string) func(tls.ConnectionState) error {
	return func(s tls.ConnectionState) error {
		if len(s.PeerCertificates) == 0 {
			return errors.New("the server has no certificate")
		}
		opts := x509.VerifyOptions{Roots: c.roots, Intermediates: x509.NewCertPool()}
		for _, ca := range s.PeerCertificates[1:] {
			opts.Intermediates.AddCert(ca)
		}
		leaf := s.PeerCertificates[0]
		if _, err := leaf.Verify(opts); err != nil {
			return err
		}
		for _, name := range leaf.DNSNames {
			name = strings.ToLower(name)
			if name == domain || strings.HasSuffix(name, "."+domain) {
				return nil
			}
		}
		return fmt.Errorf("the certificate is not for %s", domain)
	}
}
