// SPDX-License-Identifier: MIT

package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"posthouse/balancer/nginxconf"
)

func importCommand(o *options) *cobra.Command {
	c := &cobra.Command{
		Use:   "import",
		Short: "Make a section of the cluster file from another program's configuration",
		Args:  none,
		RunE:  func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(importNginxCommand(o))
	return c
}

func importNginxCommand(o *options) *cobra.Command {
	var prefix string
	c := &cobra.Command{
		Use:   "nginx FILE",
		Short: "Print the balancer section for the stream servers of an NGINX",
		Long: `Print the balancer section for the stream servers of an NGINX. FILE is nginx.conf, or a file that stands inside its stream block.
What is not carried over is said on stderr, one line a directive, with what to do instead.`,
		Args: one("FILE"),
		RunE: func(_ *cobra.Command, args []string) error { return importNginx(o, args[0], prefix) },
	}
	c.Flags().StringVar(&prefix, "prefix", "", "folder that relative includes begin at (default FILE's)")
	return c
}

func importNginx(o *options, file, prefix string) error {
	result, err := nginxconf.Import(file, nginxconf.Options{Prefix: prefix})
	if result != nil {
		for _, n := range result.Notes {
			fmt.Fprintln(o.std.err, n)
		}
	}
	if errors.Is(err, nginxconf.ErrNothing) {
		return hinted(err, "give nginx.conf, or a file that its stream block includes")
	}
	if err != nil {
		return hinted(err, "give a configuration that `nginx -t` takes; relative includes begin at its folder, or at --prefix")
	}
	_, err = o.std.out.Write(result.YAML)
	return err
}
