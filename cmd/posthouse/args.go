// SPDX-License-Identifier: MIT

package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"
)

// none wants no arguments. Of a command that has others below it, one is a misspelt name.
func none(c *cobra.Command, args []string) error {
	switch {
	case len(args) == 0:
		return nil
	case !c.HasSubCommands():
		return usage(fmt.Errorf("%s takes no arguments, not %q", c.CommandPath(), args[0]), "`"+c.CommandPath()+" --help` lists the flags")
	}
	hint := "`" + c.CommandPath() + " --help` lists the commands"
	c.SuggestionsMinimumDistance = 2
	if similar := c.SuggestionsFor(strings.ReplaceAll(args[0], "_", "-")); len(similar) > 0 {
		hint = "did you mean " + strings.Join(similar, " or ") + "?"
	}
	return usage(fmt.Errorf("%s has no command %q", c.CommandPath(), args[0]), hint)
}

// one wants exactly one argument.
func one(what string) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		if len(args) != 1 {
			return usage(fmt.Errorf("%s takes one %s, not %d", c.CommandPath(), what, len(args)), c.CommandPath()+" "+what)
		}
		return nil
	}
}

// some wants one or more.
func some(what, example string) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		if len(args) == 0 {
			return usage(fmt.Errorf("%s needs a %s", c.CommandPath(), what), c.CommandPath()+" "+example)
		}
		return nil
	}
}
