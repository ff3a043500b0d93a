// SPDX-License-Identifier: MIT

package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"posthouse/auth"
)

func passwdCommand(o *options) *cobra.Command {
	var scheme string
	c := &cobra.Command{
		Use:   "passwd [USER]",
		Short: "Make a line of a passwd-file; the password comes from the terminal or the first line of standard input",
		Args:  maybeUser,
		RunE: func(_ *cobra.Command, args []string) error {
			scheme := strings.Trim(strings.ToUpper(scheme), "{}")
			if !slices.Contains(auth.Schemes(), scheme) {
				return usage(fmt.Errorf("unknown scheme %q", scheme), "--scheme takes one of "+strings.Join(auth.Schemes(), ", "))
			}
			password, err := readPassword(o)
			if err != nil {
				return err
			}
			hash, err := auth.Hash(scheme, password)
			if err != nil {
				return err
			}
			if len(args) == 1 {
				hash = args[0] + ":" + hash
			}
			_, err = fmt.Fprintln(o.std.out, hash)
			return err
		},
	}
	c.Flags().StringVar(&scheme, "scheme", auth.Schemes()[0], "one of "+strings.Join(auth.Schemes(), ", "))
	return c
}

// maybeUser takes a user's name, or nothing.
func maybeUser(c *cobra.Command, args []string) error {
	switch {
	case len(args) > 1:
		return usage(fmt.Errorf("%s takes one USER, not %d", c.CommandPath(), len(args)), "the password comes from the terminal or standard input, never from the command line")
	case len(args) == 1 && (args[0] == "" || strings.ContainsAny(args[0], ":\r\n")):
		return usage(fmt.Errorf("user %q: a name has no colon and no line break", args[0]), c.CommandPath()+" USER")
	}
	return nil
}

// readPassword asks twice on a terminal, and reads a line elsewhere.
func readPassword(o *options) (string, error) {
	file, ok := o.std.in.(*os.File)
	if !ok || !term.IsTerminal(int(file.Fd())) {
		return firstLine(o.std.in)
	}
	first, err := ask(o, file, "Password: ")
	if err != nil {
		return "", err
	}
	second, err := ask(o, file, "Again: ")
	switch {
	case err != nil:
		return "", err
	case first != second:
		return "", errors.New("the two passwords differ")
	}
	return first, notEmpty(first)
}

func ask(o *options, file *os.File, prompt string) (string, error) {
	fmt.Fprint(o.std.err, prompt)
	password, err := term.ReadPassword(int(file.Fd()))
	fmt.Fprintln(o.std.err)
	return string(password), err
}

func firstLine(in io.Reader) (string, error) {
	line, err := bufio.NewReader(io.LimitReader(in, 4096)).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return "", err
	}
	line = strings.TrimRight(line, "\r\n")
	return line, notEmpty(line)
}

func notEmpty(password string) error {
	if password == "" {
		return errors.New("an empty password is none")
	}
	return nil
}
