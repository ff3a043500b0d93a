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
// node is that node's whatever the machine is called. The error is nil or begins with what the report complains of.
//
// The files of the named services are opened for the check, or those of all: a service that has a process and a user of
// its own cannot read the keys of the others.
func Load(file, host string, services ...string) (*Cluster, *config.Report, error) {
	return load(file, host, func(c *Cluster) {
		if len(services) == 0 {
			services = c.Self.Services
		}
		c.check(c.root(), services)
	})
}

// Read is Load without a look at the files that the cluster file names. It is for questions to running services, which are asked
// just when one of those files is broken, and by operators who may not read the keys.
func Read(file, host string) (*Cluster, *config.Report, error) {
	return load(file, host, func(*Cluster) {})
}

func load(file, host string, check func(*Cluster)) (*Cluster, *config.Report, error) {
	cfg, doc := read(file)
	report := doc.Report()
	self, err := cfg.who(host)
	switch {
	case err != nil && report.Err() != nil:
		return nil, report, report.Err()
	case err != nil:
		return nil, report, fmt.Errorf("%s: %w", file, err)
	}
	c := seenBy(doc, cfg, self, file)
	check(c)
	if err := report.Err(); err != nil {
		return nil, report, err
	}
	return c, report, nil
}

// Check reads the cluster file as each of its nodes in turn, or as one of them, and gives all complaints at once.
func Check(file, host string) *config.Report {
	cfg, doc := read(file)
	nodes := cfg.Nodes
	if host != "" {
		self, err := cfg.who(host)
		if err != nil {
			doc.Root().At("nodes").Errorf("%v", err)
			return doc.Report()
		}
		nodes = []Node{self}
	}
	for _, n := range nodes {
		c := seenBy(doc, cfg, n, file)
		c.check(c.root(), n.Services)
	}
	return doc.Report()
}

// read decodes the file as it holds for all nodes.
func read(file string) (*Config, *config.Document) {
	cfg := new(Config)
	doc, _ := config.Load(file, cfg)
	cfg.checkProxies(doc.Root())
	return cfg, doc
}

// seenBy puts a node's own values over the cluster's, and makes the checks that need to know the node.
func seenBy(doc *config.Document, cfg *Config, self Node, file string) *Cluster {
	if self.Override.Present() && !self.Override.Spoiled() {
		cfg = new(Config)
		doc.Decode(cfg, self.Override)
	}
	return &Cluster{Config: cfg, Self: self, File: file, document: doc}
}

// root is where complaints about the node's values have their places.
func (c *Cluster) root() config.Section { return c.document.Root().Under(c.Self.Override) }

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
	var names []string
	for _, n := range c.Nodes {
		if strings.EqualFold(string(n.Host), strings.TrimSuffix(host, ".")) {
			return n, nil
		}
		names = append(names, string(n.Host))
	}
	return Node{}, fmt.Errorf("%w: %q; name one with --node: %s", ErrWho, host, strings.Join(names, ", "))
}

// Runs reports whether the node runs a service.
func (n Node) Runs(service string) bool { return slices.Contains(n.Services, service) }
