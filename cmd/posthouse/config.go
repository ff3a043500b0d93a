// SPDX-License-Identifier: MIT

package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"posthouse/config"
	"posthouse/internal/node"
)

// The usual places of a cluster file. Services look in /etc first: what lies in a working directory is for `up` and for an
// operator's commands.
const (
	localPlace  = "posthouse-data/posthouse.yaml"
	systemPlace = "/etc/posthouse/posthouse.yaml"
)

// clusterFile is --config, or the first of places that is there.
func (o *options) clusterFile(places ...string) (string, error) {
	if o.config != "" {
		return o.config, nil
	}
	for _, p := range places {
		if _, err := os.Stat(p); err == nil {
			return p, nil
		}
	}
	return "", hinted(errors.New("no cluster file found"),
		"name one with --config; `posthouse up` makes a first one in ./%s", filepath.Dir(localPlace))
}

// load reads the cluster file for this node. Complaints go to stderr as they stand.
func (o *options) load(places ...string) (*node.Cluster, error) { return o.loadFor(nil, places...) }

// loadFor reads it for some services of the node, whose files alone are looked at.
func (o *options) loadFor(services []string, places ...string) (*node.Cluster, error) {
	return o.read(func(file string) (*node.Cluster, *config.Report, error) { return node.Load(file, o.node, services...) }, places)
}

// ask reads it for questions to running services: the files that it names may be broken, or not ours to read.
func (o *options) ask(places ...string) (*node.Cluster, error) {
	return o.read(func(file string) (*node.Cluster, *config.Report, error) { return node.Read(file, o.node) }, places)
}

func (o *options) read(load func(file string) (*node.Cluster, *config.Report, error), places []string) (*node.Cluster, error) {
	file, err := o.clusterFile(places...)
	if err != nil {
		return nil, err
	}
	c, report, err := load(file)
	if _, missing := os.Stat(file); errors.Is(missing, os.ErrNotExist) && report.Err() != nil {
		return nil, hinted(report.Err(), "name another with --config; `posthouse up` makes a first one in ./%s", filepath.Dir(localPlace))
	}
	if report != nil && report.Err() != nil {
		return nil, hinted(report.Err(), "`posthouse config check --config %s` checks it for every node", file)
	}
	return c, err
}

func configCommand(o *options) *cobra.Command {
	c := &cobra.Command{
		Use:   "config",
		Short: "Check or show the cluster file",
		Args:  none,
		RunE:  func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(configCheckCommand(o), configShowCommand(o))
	return c
}

func configCheckCommand(o *options) *cobra.Command {
	return &cobra.Command{
		Use:   "check",
		Short: "Check the cluster file and its tables, for every node or for --node",
		Args:  none,
		RunE: func(*cobra.Command, []string) error {
			file, err := o.clusterFile(localPlace, systemPlace)
			if err != nil {
				return err
			}
			report := node.Check(file, o.node)
			if err := report.Err(); err != nil {
				return err
			}
			return printChecked(o, file, report)
		},
	}
}

// printChecked says that a file is good, after what it asks for and does not get.
func printChecked(o *options, file string, report *config.Report) error {
	for _, p := range report.Problems {
		fmt.Fprintln(o.std.out, p)
	}
	_, err := fmt.Fprintf(o.std.out, "%s: good\n", file)
	return err
}

func configShowCommand(o *options) *cobra.Command {
	return &cobra.Command{
		Use:   "show",
		Short: "Print the values in force on this node, defaults included",
		Args:  none,
		RunE: func(*cobra.Command, []string) error {
			c, err := o.load(localPlace, systemPlace)
			if err != nil {
				return err
			}
			return config.Show(o.std.out, c.Config)
		},
	}
}
