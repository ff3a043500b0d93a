// SPDX-License-Identifier: MIT

package node

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"posthouse/config"
	"posthouse/dovecot"
)

// Cluster is the cluster file as one node sees it.
type Cluster struct {
	*Config
	Self     Node // who we are
	File     string
	document *config.Document
	private  *dovecot.Options // of a Dovecot that runs beside us; nil: none
}

// ErrWho means that the file names no node of the given name.
var ErrWho = errors.New("this machine is not among the nodes")

// Load reads the cluster file for the node of that host name; "" asks the machine for its own, and a file with a single
// node is that node's whatever the machine is called. The report is complete only if the error is nil.
func Load(file, host string) (*Cluster, *config.Report, error) {
	cfg := new(Config)
	doc, report := config.Load(file, cfg)
	if report.Err() != nil {
		return nil, report, report.Err()
	}
	self, err := cfg.who(host)
	if err != nil {
		return nil, report, fmt.Errorf("%s: %w", file, err)
	}
	c, err := seenBy(doc, cfg, self, file)
	return c, report, err
}

// seenBy puts a node's own values over the cluster's, and makes the checks that need to know the node.
func seenBy(doc *config.Document, cfg *Config, self Node, file string) (*Cluster, error) {
	if self.overrides() {
		cfg = new(Config)
		doc.Decode(cfg, self.Override)
	}
	c := &Cluster{Config: cfg, Self: self, File: file, document: doc}
	c.check(doc.Root())
	return c, doc.Report().Err()
}

// Check reads the cluster file as each of its nodes in turn, or as one of them.
func Check(file, host string) *config.Report {
	cfg := new(Config)
	doc, report := config.Load(file, cfg)
	if report.Err() != nil {
		return report
	}
	if host != "" {
		self, err := cfg.who(host)
		if err != nil {
			doc.Root().At("nodes").Errorf("%v", err)
			return report
		}
		seenBy(doc, cfg, self, file)
		return report
	}
	for _, n := range cfg.Nodes {
		seenBy(doc, cfg, n, file)
	}
	return report
}

func (n Node) overrides() bool { return n.Override.Present() }

// who finds the node by its host name.
func (c *Config) who(host string) (Node, error) {
	if host == "" && len(c.Nodes) == 1 {
		return c.Nodes[0], nil
	}
	if host == "" {
		var err error
		if host, err = os.Hostname(); err != nil {
			return Node{}, err
		}
	}
	for _, n := range c.Nodes {
		if strings.EqualFold(string(n.Host), strings.TrimSuffix(host, ".")) {
			return n, nil
		}
	}
	var names []string
	for _, n := range c.Nodes {
		names = append(names, string(n.Host))
	}
	return Node{}, fmt.Errorf("%w: %q; name one with --node: %s", ErrWho, host, strings.Join(names, ", "))
}

// Runs reports whether the node runs a service.
func (n Node) Runs(service string) bool { return slices.Contains(n.Services, service) }
