// SPDX-License-Identifier: MIT

package certs

import "posthouse/config"

// Pair is a certificate chain and its key, both PEM.
type Pair struct {
	Certificate config.Path `yaml:"certificate"`
	Key         config.Path `yaml:"key"`
}

// Config is the `tls` section: a list of pairs, or one pair written without the list.
type Config struct {
	Certificate  config.Path `yaml:"certificate"`
	Key          config.Path `yaml:"key"`
	Certificates []Pair      `yaml:"certificates"`
}

// Validate wants whole pairs.
func (c *Config) Validate(at config.Section) {
	half(at, c.Certificate, c.Key)
	for i := range c.Certificates {
		p := &c.Certificates[i]
		if p.Certificate == "" && p.Key == "" {
			at.At("certificates").Errorf("an entry needs certificate and key")
		}
		half(at.At("certificates"), p.Certificate, p.Key)
	}
}

func half(at config.Section, certificate, key config.Path) {
	switch {
	case certificate == "" && key != "":
		at.Errorf("key has no certificate beside it")
	case certificate != "" && key == "":
		at.Errorf("certificate has no key beside it")
	}
}

// Pairs are all of them, the short form first.
func (c *Config) Pairs() []Pair {
	if c.Certificate == "" {
		return c.Certificates
	}
	return append([]Pair{{c.Certificate, c.Key}}, c.Certificates...)
}
