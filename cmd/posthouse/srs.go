// SPDX-License-Identifier: MIT

package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"posthouse/mail"
	"posthouse/srs"
)

func srsCommand(o *options) *cobra.Command {
	c := &cobra.Command{
		Use:   "srs",
		Short: "Rewrite a sender as forwarding does, turn it back, or do both for a Postfix",
		Args:  none,
		RunE:  func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(
		srsDirection(o, "forward", "Print the sender that the next hop would see", (*srs.Rewriter).Forward),
		srsDirection(o, "reverse", "Print where a bounce to a rewritten sender goes", (*srs.Rewriter).Reverse),
		srsServe(o))
	return c
}

func srsDirection(o *options, name, short string, turn func(*srs.Rewriter, mail.Path) (mail.Path, error)) *cobra.Command {
	return &cobra.Command{
		Use:   name + " ADDRESS",
		Short: short,
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
			if c.SMTPIn == nil || c.SMTPIn.SRS == nil {
				return hinted(errors.New("the cluster file has no srs"), "smtp_in needs srs: {domain: ..., secret_file: ...}")
			}
			rewriter, err := srs.Open(*c.SMTPIn.SRS)
			if err != nil {
				return err
			}
			result, err := turn(rewriter, address)
			if err != nil {
				return err // which names the address
			}
			_, err = fmt.Fprintln(o.std.out, result)
			return err
		},
	}
}
