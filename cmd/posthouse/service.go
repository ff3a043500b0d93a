// SPDX-License-Identifier: MIT

package main

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"posthouse/balancer/handover"
	"posthouse/internal/admin"
	"posthouse/internal/daemon"
	"posthouse/internal/node"
)

// serviceCommands are smtp-in, smtp-out, maildrop and the balancer, each its own process.
func serviceCommands(o *options) []*cobra.Command {
	return []*cobra.Command{
		serviceCommand(o, node.SMTPIn, "Run the MX: mail from the world for the cluster's domains"),
		serviceCommand(o, node.SMTPOut, "Run the submission service: mail from the cluster's users to the world"),
		serviceCommand(o, node.Maildrop, "Run the final destination: mail into the mailboxes"),
		balancerCommand(o),
	}
}

func serviceCommand(o *options, service, short string) *cobra.Command {
	var run node.Options
	c := &cobra.Command{
		Use:   strings.ReplaceAll(service, "_", "-"),
		Short: short,
		Args:  none,
		RunE: func(c *cobra.Command, _ []string) error {
			cluster, err := o.loadFor([]string{service}, systemPlace, localPlace)
			if err != nil {
				return err
			}
			if !cluster.Self.Runs(service) {
				return hinted(fmt.Errorf("node %s does not run %s", cluster.Self.Host, service), "add it to the node's services, or name another node with --node")
			}
			run.Log = daemon.Logger(o.std.err, "")
			run.Services = []string{service}
			run.Outside = true
			if service == node.Balancer {
				run.Successor = successor(o)
			}
			return started(cluster.Run(c.Context(), run))
		},
	}
	serviceFlags(c, &run)
	if service == node.Balancer {
		c.Flags().BoolVar(&run.TakeOver, takeOver, false, "take listeners and sessions over from the balancer that runs, which then ends")
	}
	return c
}

func serviceFlags(c *cobra.Command, run *node.Options) {
	c.Flags().BoolVar(&run.AllowUnenforced, "allow-unenforced", false, "start although settings that protect something are not enforced yet")
}

// started adds the way out to what keeps services from starting.
func started(err error) error {
	switch {
	case errors.Is(err, node.ErrUnenforced):
		return hinted(err, "start with --allow-unenforced if you can do without these")
	case errors.Is(err, syscall.EADDRINUSE):
		return hinted(err, "`ss -ltnp` shows who has the port; the cluster file says where we listen")
	case errors.Is(err, syscall.EWOULDBLOCK):
		return hinted(err, "posthouse runs there already: stop that process, or give this one a data_dir of its own")
	case errors.Is(err, admin.ErrInUse):
		return hinted(err, "posthouse runs there already: stop that process, or give this one a data_dir of its own; a balancer can take over from it with --take-over")
	case errors.Is(err, handover.ErrNone):
		return hinted(err, "start it without --take-over; the process that runs must have the same data_dir")
	case errors.Is(err, syscall.EACCES) && strings.Contains(err.Error(), "listen"):
		return hinted(err, "ports below 1024 need CAP_NET_BIND_SERVICE, or sockets from systemd")
	case errors.Is(err, fs.ErrPermission):
		return hinted(err, "data_dir, and what is in it, has to be the user's as whom the service runs")
	}
	return err
}
