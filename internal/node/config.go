// SPDX-License-Identifier: MIT

// Package node is the assembly: the root of the cluster file, the question which node this is, the checks that look across
// sections, and one file for each service that wires its parts. Nothing here decides about mail.
package node

import (
	"posthouse/balancer"
	"posthouse/certs"
	"posthouse/config"
	"posthouse/internal/admin"
	"posthouse/maildrop"
	"posthouse/resolver"
	"posthouse/smtpin"
	"posthouse/smtpout"
)

// The names of the services, as the cluster file has them.
const (
	SMTPIn   = "smtp_in"
	SMTPOut  = "smtp_out"
	Maildrop = "maildrop"
	Balancer = "balancer"
)

// Config is the root of the cluster file: one file, the same on every node.
type Config struct {
	Cluster    config.Domain    `yaml:"cluster"` // the domain of postmaster and of the cluster itself
	Nodes      []Node           `yaml:"nodes"`
	DataDir    config.Path      `yaml:"data_dir"`
	Admin      admin.Config     `yaml:"admin"`
	TLS        certs.Config     `yaml:"tls"`
	Resolver   resolver.Config  `yaml:"resolver"`
	Mynetworks []config.Network `yaml:"mynetworks"`

	SMTPIn   *smtpin.Config   `yaml:"smtp_in"`
	SMTPOut  *smtpout.Config  `yaml:"smtp_out"`
	Maildrop *maildrop.Config `yaml:"maildrop"`
	Balancer balancer.Config  `yaml:"balancer"`
}

// Node is one machine of the cluster.
type Node struct {
	Host     config.Domain  `yaml:"host"` // found by host name, or by --node
	Site     string         `yaml:"site"`
	Services []string       `yaml:"services"`
	Override config.Section `yaml:"override"` // service sections whose values replace the cluster's on this node
}

// SetDefaults is Debian's place for state.
func (c *Config) SetDefaults() { c.DataDir = "/var/lib/posthouse" }

// has reports whether the section of a service is in the file.
func (c *Config) has(service string) bool {
	switch service {
	case SMTPIn:
		return c.SMTPIn != nil
	case SMTPOut:
		return c.SMTPOut != nil
	case Maildrop:
		return c.Maildrop != nil
	case Balancer:
		return c.Balancer != nil
	}
	return false
}

func known(service string) bool {
	switch service {
	case SMTPIn, SMTPOut, Maildrop, Balancer:
		return true
	}
	return false
}
