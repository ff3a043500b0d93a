// SPDX-License-Identifier: MIT

package node

import (
	"errors"
	"fmt"

	"posthouse/certs"
	"posthouse/config"
)

// certificates are the service's own, or the node's, and those of listeners that have some of theirs. Without any store is
// nil, and TLS is not offered.
func (n *snapshot) certificates(service string) (store *certs.Store, own map[config.Address]*certs.Store, err error) {
	section := n.sectionOf(service)
	c := n.TLS
	if section.tls != nil {
		c = *section.tls
	}
	if store, err = n.watchedStore(Label(service), c); err != nil {
		return nil, nil, err
	}
	own = make(map[config.Address]*certs.Store)
	for _, l := range section.Listen {
		if !l.Certified() {
			continue
		}
		if own[l.Address], err = n.watchedStore(Label(service)+" "+l.Address.String(), l.Certs); err != nil {
			return nil, nil, err
		}
	}
	return store, own, nil
}

// watchedStore opens certificates that follow their files; nil if there are none.
func (n *snapshot) watchedStore(name string, c certs.Config) (*certs.Store, error) {
	store, err := certs.Open(c)
	if errors.Is(err, certs.ErrNone) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	n.follow(name+" certificates", store)
	return store, nil
}

// keepListeners keeps the certificates of listeners that are gone from the file: they stay open until a restart, and the rest
// of the file need not wait for it.
func (w *way) keepListeners(old *way) {
	for address, store := range old.listenerTLS {
		if w.listenerTLS[address] == nil {
			w.listenerTLS[address] = store
			w.snapshot.follow(address.String()+" certificates", store)
		}
	}
}

func (c *Cluster) checkCertificates(at config.Section, t certs.Config) {
	if at.Spoiled() {
		return
	}
	store, err := certs.Open(t)
	if !errors.Is(err, certs.ErrNone) {
		examine(at, store, err)
	}
}

// checkTLS looks at a service's own certificates and those of its listeners, and that each that promises TLS has one.
func (c *Cluster) checkTLS(at config.Section, service string, own *certs.Config) {
	pairs := c.TLS.Pairs()
	if own != nil {
		c.checkCertificates(at.At("tls"), *own)
		pairs = own.Pairs()
	}
	bare := false
	for i, l := range c.listeners(service) {
		here := at.At(fmt.Sprintf("listen[%d]", i))
		c.checkCertificates(here, l.Certs)
		if l.Certified() || len(pairs) > 0 {
			continue
		}
		bare = true
		if l.TLS != "" && !here.At("tls").Spoiled() {
			here.At("tls").Errorf("needs a certificate: tls: {certificate: ..., key: ...}")
		}
	}
	if service == SMTPOut && bare {
		at.Warnf("has no certificate: passwords are taken over TLS alone, so that only mynetworks can send")
	}
}
