// SPDX-License-Identifier: MIT

package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"posthouse/alias"
	"posthouse/internal/node"
	"posthouse/mail"
)

func aliasCommand(o *options) *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "alias ADDRESS",
		Short: "Say who would get mail for an address, and by which lines",
		Args:  one("ADDRESS"),
		RunE: func(_ *cobra.Command, args []string) error {
			address, err := mail.ParseAddress(args[0])
			if err != nil {
				return fmt.Errorf("%q: %w", args[0], err)
			}
			c, err := o.load(localPlace, systemPlace)
			if err != nil {
				return err
			}
			return explainAlias(o, c, address, asJSON)
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print one JSON object an end")
	return c
}

// end is one end of the expansion, for printing.
type end struct {
	Service string   `json:"service"`
	To      string   `json:"to"`
	What    string   `json:"what"`
	Steps   []string `json:"steps,omitempty"`
	Why     string   `json:"why,omitempty"`
}

// explainAlias expands at smtp-in, or, for an address of a mailbox domain, at maildrop.
func explainAlias(o *options, c *node.Cluster, address mail.Path, asJSON bool) error {
	service, result, err := c.Expand(address)
	if err != nil {
		return fmt.Errorf("%s: %w", address, err)
	}
	if result.Unknown() {
		return fmt.Errorf("%s leads to nobody: %s answers 550 5.1.1", address, node.Label(service))
	}
	for _, targets := range [][]alias.Target{result.Targets, result.Dead, result.Discards} {
		for _, t := range targets {
			e := end{Service: node.Label(service), To: t.To.String(), What: t.Kind.String(), Steps: t.Steps, Why: t.Why}
			if err := printEnd(o, e, asJSON); err != nil {
				return err
			}
		}
	}
	return nil
}

func printEnd(o *options, e end, asJSON bool) error {
	if asJSON {
		return printJSON(o.std.out, e)
	}
	_, err := fmt.Fprintf(o.std.out, "%s (%s, %s)\n", e.To, e.Service, e.What)
	for _, s := range e.Steps {
		fmt.Fprintf(o.std.out, "  %s\n", s)
	}
	if e.Why != "" {
		fmt.Fprintf(o.std.out, "  %s\n", e.Why)
	}
	return err
}
