// SPDX-License-Identifier: MIT

// Command posthouse runs the mail services of a cluster node, and is the operator's hand on them. Each command is flags and
// printing only: what it does stands in the package it names.
//
// Terminal rules: results go to stdout and only on success; progress, errors (`posthouse: error: ...`) and what to do about
// them (`posthouse: hint: ...`) go to stderr; 1 is the exit status of a failure, 2 of a wrong command line. A failed command
// leaves nothing behind.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	os.Exit(run(ctx, os.Args[1:], streams{os.Stdin, os.Stdout, os.Stderr}))
}

// run is main without the process: it returns the exit status.
func run(ctx context.Context, args []string, std streams) int {
	root := newRoot(std)
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return 0
	}
	return report(std.err, err)
}

func newRoot(std streams) *cobra.Command {
	o := &options{std: std}
	root := &cobra.Command{
		Use:           "posthouse",
		Short:         "A mail service for engineers: MX, submission and mailbox delivery with a durable queue each, and a TCP balancer before them",
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          none,
		RunE:          func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	root.SetIn(std.in)
	root.SetOut(std.out)
	root.SetErr(std.err)
	root.SetFlagErrorFunc(func(c *cobra.Command, err error) error {
		return usage(err, fmt.Sprintf("`%s --help` lists the flags", c.CommandPath()))
	})
	flags := root.PersistentFlags()
	flags.StringVar(&o.config, "config", "", "cluster file (default posthouse-data/posthouse.yaml, then /etc/posthouse/posthouse.yaml)")
	flags.StringVar(&o.node, "node", "", "host of the node to be (default: this machine's host name)")
	root.AddCommand(upCommand(o), configCommand(o), queueCommand(o), aliasCommand(o), explainCommand(o), importCommand(o), srsCommand(o),
		dkimCommand(o), passwdCommand(o), sendCommand(o), versionCommand(o))
	root.AddCommand(serviceCommands(o)...)
	return root
}
