// SPDX-License-Identifier: MIT

package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"posthouse/internal/daemon"
	"posthouse/internal/node"
)

// serviceCommands are smtp-in, smtp-out and maildrop, each its own process.
func serviceCommands(o *options) []*cobra.Command {
	return []*cobra.Command{
		serviceCommand(o, node.SMTPIn, "Run the MX: mail from the world for the cluster's domains"),
		serviceCommand(o, node.SMTPOut, "Run the submission service: mail from the cluster's users to the world"),
		serviceCommand(o, node.Maildrop, "Run the final destination: mail into the mailboxes"),
	}
}

func serviceCommand(o *options, service, short string) *cobra.Command {
	var run node.Options
	c := &cobra.Command{
		Use:   strings.ReplaceAll(service, "_", "-"),
		Short: short,
		Args:  cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			cluster, err := o.load(systemPlace, localPlace)
			if err != nil {
				return err
			}
			if !cluster.Self.Runs(service) {
				return hinted(fmt.Errorf("node %s does not run %s", cluster.Self.Host, service), "add it to the node's services, or name another node with --node")
			}
			run.Log = daemon.Logger(o.std.err, "")
			run.Services = []string{service}
			run.Outside = true
			return unenforced(cluster.Run(c.Context(), run))
		},
	}
	serviceFlags(c, &run)
	return c
}

func serviceFlags(c *cobra.Command, run *node.Options) {
	c.Flags().BoolVar(&run.AllowUnenforced, "allow-unenforced", false, "start although settings that protect something are not enforced yet")
}
