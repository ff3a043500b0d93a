// SPDX-License-Identifier: MIT

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"posthouse/balancer"
	"posthouse/internal/admin"
	"posthouse/internal/node"
)

func balancerStatus(o *options) *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "status [SERVICE]",
		Short: "Show the services of the running balancer, and how their servers are",
		Args: func(c *cobra.Command, args []string) error {
			if len(args) > 1 {
				return usage(fmt.Errorf("%s takes one SERVICE at most, not %d", c.CommandPath(), len(args)), c.CommandPath()+" [SERVICE]")
			}
			return nil
		},
		RunE: func(c *cobra.Command, args []string) error {
			all, err := askBalancer[balancer.ServiceStatus](c.Context(), o, "balancer.status", balancer.Arguments{Service: strings.Join(args, "")})
			if err != nil {
				return err
			}
			if asJSON {
				return printEach(o.std.out, all)
			}
			return printBalancer(o.std.out, all, time.Now())
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print one JSON object a service")
	return c
}

func balancerDrain(o *options, name, short string) *cobra.Command {
	var asJSON bool
	var args balancer.Arguments
	c := &cobra.Command{
		Use:   name + " SERVER",
		Short: short,
		Long:  short + ". SERVER is as in the cluster file (host:port), a host alone, or one address of it. It holds over restarts.",
		Args:  one("SERVER"),
		RunE: func(c *cobra.Command, servers []string) error {
			args.Server = servers[0]
			all, err := askBalancer[balancer.Changed](c.Context(), o, "balancer."+name, args)
			if err != nil {
				return err
			}
			if asJSON {
				return printEach(o.std.out, all)
			}
			return printChanged(o.std.out, all)
		},
	}
	c.Flags().StringVar(&args.Service, "service", "", "only in that service of the balancer (default: in all that have the server)")
	c.Flags().BoolVar(&asJSON, "json", false, "print one JSON object a server")
	return c
}

// askBalancer puts a verb to the running balancer of the node, and reads all answers before anything is printed.
func askBalancer[T any](ctx context.Context, o *options, verb string, args balancer.Arguments) ([]T, error) {
	c, err := o.ask(localPlace, systemPlace)
	if err != nil {
		return nil, err
	}
	if !c.Self.Runs(node.Balancer) {
		return nil, hinted(fmt.Errorf("node %s does not run the balancer", c.Self.Host), "name another node with --node")
	}
	var all []T
	err = admin.Call(ctx, c.ControlSocket(node.Balancer), verb, args, func(line json.RawMessage) error {
		var one T
		if err := json.Unmarshal(line, &one); err != nil {
			return fmt.Errorf("answer: %w", err)
		}
		all = append(all, one)
		return nil
	})
	if err != nil {
		return nil, unanswered(fmt.Errorf("balancer: %w", err))
	}
	return all, nil
}

// unanswered adds the way out to what keeps a balancer from answering.
func unanswered(err error) error {
	switch {
	case errors.Is(err, admin.ErrNotRunning):
		return hinted(err, "start it: `posthouse balancer`, or `systemctl start posthouse@balancer`")
	case errors.Is(err, fs.ErrPermission):
		return hinted(err, "ask as the user that the balancer runs as, or as root: its socket is for them alone")
	}
	return err
}

// printEach prints one JSON object a line.
func printEach[T any](w io.Writer, all []T) error {
	for _, v := range all {
		if err := printJSON(w, v); err != nil {
			return err
		}
	}
	return nil
}

// printBalancer prints a paragraph and a table for each service.
func printBalancer(w io.Writer, all []balancer.ServiceStatus, now time.Time) error {
	for i, s := range all {
		if i > 0 {
			fmt.Fprintln(w)
		}
		fmt.Fprintf(w, "%s: %s, %s, on %s\n", s.Service, s.Method, count(int(s.Sessions), "session"), strings.Join(s.Listen, " "))
		t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
		fmt.Fprintln(t, "  SERVER\tADDRESS\tTIER\tSTATE\tCONNECTIONS\tPICKED\tFAILURES\tCHANGED\tWHY")
		for _, m := range s.Servers {
			fmt.Fprintf(t, "  %s\t%s\t%s\t%s\t%s\t%d\t%d\t%s\t%s\n", m.Server, addressOf(m), tierOf(m), m.State, connectionsOf(m), m.Picked, m.Failures, ago(m.Since, now), orNone(m.Why))
		}
		if err := t.Flush(); err != nil {
			return err
		}
	}
	return nil
}

func orNone(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

// addressOf is a server's, where its name does not say it.
func addressOf(m balancer.ServerStatus) string {
	if !m.Address.IsValid() || m.Address.String() == m.Server {
		return "-"
	}
	return m.Address.Addr().String()
}

func tierOf(m balancer.ServerStatus) string {
	tier := "primary"
	if m.Backup {
		tier = "backup"
	}
	if m.Weight > 1 {
		tier += fmt.Sprintf("*%d", m.Weight)
	}
	return tier
}

func connectionsOf(m balancer.ServerStatus) string {
	if m.MaxConns == 0 {
		return fmt.Sprint(m.Connections)
	}
	return fmt.Sprintf("%d/%d", m.Connections, m.MaxConns)
}

// ago is how long since, in whole seconds.
func ago(t, now time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return now.Sub(t).Round(time.Second).String() + " ago"
}

// printChanged says what was done, and what is still open there.
func printChanged(w io.Writer, all []balancer.Changed) error {
	for _, c := range all {
		server := c.Server
		if c.Address.IsValid() && c.Address.String() != c.Server {
			server += " (" + c.Address.Addr().String() + ")"
		}
		text := "takes connections again"
		if c.Drained {
			text = fmt.Sprintf("drained, %s left", count(c.Connections, "connection"))
		}
		if _, err := fmt.Fprintf(w, "%s: %s: %s\n", c.Service, server, text); err != nil {
			return err
		}
	}
	return nil
}
