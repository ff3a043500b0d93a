// SPDX-License-Identifier: MIT

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"posthouse/dkim"
	"posthouse/mail"
	"posthouse/resolver"
)

// maxMessage bounds what sign and verify read from standard input, in octets.
const maxMessage = 100 << 20

func dkimCommand(o *options) *cobra.Command {
	c := &cobra.Command{
		Use:   "dkim",
		Short: "Make keys and their DNS records, sign and verify messages",
		Args:  none,
		RunE:  func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(dkimKeygen(o), dkimDNS(o), dkimSign(o), dkimVerify(o))
	return c
}

// dkimFlags name a key and whose it is.
type dkimFlags struct{ domain, selector, key string }

func (f *dkimFlags) add(c *cobra.Command) {
	c.Flags().StringVarP(&f.domain, "domain", "d", "", "the signing domain")
	c.Flags().StringVarP(&f.selector, "selector", "s", "", "the selector: the record stands at SELECTOR._domainkey.DOMAIN")
	c.Flags().StringVarP(&f.key, "key", "k", "", "file of the private key, PEM")
}

// check wants a domain and a selector that can stand in the DNS: a record under any other name would never be found.
func (f *dkimFlags) check(c *cobra.Command, names ...string) error {
	if err := want(c, names...); err != nil {
		return err
	}
	for name, value := range map[string]string{"domain": f.domain, "selector": f.selector} {
		if parsed, err := mail.ParseDomain(value); err != nil || strings.HasPrefix(parsed, "[") {
			return usage(fmt.Errorf("--%s %q is no name in the DNS", name, value), "the record stands at SELECTOR._domainkey.DOMAIN")
		}
	}
	return nil
}

// read is the private key.
func (f *dkimFlags) read() ([]byte, error) {
	key, err := os.ReadFile(f.key)
	if err != nil {
		return nil, hinted(err, "`posthouse dkim keygen` makes a key")
	}
	if _, err := dkim.Record(key); err != nil {
		return nil, fmt.Errorf("%s: %w", f.key, err)
	}
	return key, nil
}

// printRecord prints what the zone of the domain needs.
func (f *dkimFlags) printRecord(o *options, key []byte) error {
	record, err := dkim.Record(key)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(o.std.out, strings.TrimRight(dkim.ZoneRecord(f.selector, f.domain, record), "\n"))
	return err
}

// want complains of the first of these flags that was left out.
func want(c *cobra.Command, names ...string) error {
	for _, name := range names {
		if c.Flag(name).Value.String() == "" {
			return usage(fmt.Errorf("%s needs --%s", c.CommandPath(), name), "`"+c.CommandPath()+" --help` lists the flags")
		}
	}
	return nil
}

func dkimKeygen(o *options) *cobra.Command {
	var f dkimFlags
	var kind string
	var bits int
	c := &cobra.Command{
		Use:   "keygen",
		Short: "Make a private key in a new file, and print the DNS record for it",
		Args:  none,
		RunE: func(c *cobra.Command, _ []string) error {
			if err := f.check(c, "domain", "selector", "key"); err != nil {
				return err
			}
			key, err := dkim.GenerateKey(kind, bits)
			if err != nil {
				return hinted(err, "--type takes rsa or ed25519, --bits 2048 to 4096")
			}
			if err := writeNew(f.key, key); err != nil {
				return err
			}
			return f.printRecord(o, key)
		},
	}
	f.add(c)
	c.Flags().StringVar(&kind, "type", "rsa", "rsa or ed25519")
	c.Flags().IntVar(&bits, "bits", 2048, "size of an RSA key")
	return c
}

// writeNew writes a private key to a file that must not be there: overwriting a key in use would lose it.
func writeNew(path string, data []byte) error {
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return hinted(err, "a key is never overwritten; name another file with --key")
	}
	if err != nil {
		return err
	}
	_, err = file.Write(data)
	if err = errors.Join(err, file.Sync(), file.Close()); err != nil {
		os.Remove(path)
	}
	return err
}

func dkimDNS(o *options) *cobra.Command {
	var f dkimFlags
	c := &cobra.Command{
		Use:   "dns",
		Short: "Print the DNS record of a private key",
		Args:  none,
		RunE: func(c *cobra.Command, _ []string) error {
			if err := f.check(c, "domain", "selector", "key"); err != nil {
				return err
			}
			key, err := f.read()
			if err != nil {
				return err
			}
			return f.printRecord(o, key)
		},
	}
	f.add(c)
	return c
}

func dkimSign(o *options) *cobra.Command {
	var f dkimFlags
	c := &cobra.Command{
		Use:   "sign",
		Short: "Sign the message on standard input by --key, or as the cluster file's smtp_out would",
		Args:  none,
		RunE: func(c *cobra.Command, _ []string) error {
			msg, err := mail.ReadMessage(o.std.in, maxMessage)
			if err != nil {
				return err
			}
			fields, err := f.sign(c, o, msg)
			if err != nil {
				return err
			}
			msg.Header.Prepend(fields...)
			return writeMessage(o, msg)
		},
	}
	f.add(c)
	return c
}

func (f *dkimFlags) sign(c *cobra.Command, o *options, msg *mail.Message) ([]mail.Field, error) {
	if f.key == "" {
		return signByTables(c.Context(), o, msg)
	}
	if err := f.check(c, "domain", "selector"); err != nil {
		return nil, err
	}
	key, err := f.read()
	if err != nil {
		return nil, err
	}
	field, err := dkim.SignWith(c.Context(), msg, f.domain, f.selector, key)
	return []mail.Field{field}, err
}

func signByTables(ctx context.Context, o *options, msg *mail.Message) ([]mail.Field, error) {
	cluster, err := o.load(localPlace, systemPlace)
	if err != nil {
		return nil, err
	}
	if cluster.SMTPOut == nil || cluster.SMTPOut.DKIM == nil {
		return nil, hinted(errors.New("the cluster file has no dkim"), "name a key with --key, --domain and --selector")
	}
	signer, err := cluster.Signer()
	if err != nil {
		return nil, err
	}
	fields, err := signer.Sign(ctx, msg)
	switch {
	case err == nil && msg.Header.Get("From") == "":
		err = errors.New("the message on standard input has no From field")
	case err == nil && len(fields) == 0:
		err = fmt.Errorf("no line of the signing table is for From: %s", msg.Header.Get("From"))
	}
	return fields, err
}

func writeMessage(o *options, msg *mail.Message) error {
	r, err := msg.Open()
	if err != nil {
		return err
	}
	defer r.Close()
	_, err = io.Copy(o.std.out, r)
	return err
}

func dkimVerify(o *options) *cobra.Command {
	c := &cobra.Command{
		Use:   "verify",
		Short: "Verify the signatures of the message on standard input; fails unless one passes",
		Args:  none,
		RunE: func(c *cobra.Command, _ []string) error {
			names, err := o.names()
			if err != nil {
				return err
			}
			msg, err := mail.ReadMessage(o.std.in, maxMessage)
			if err != nil {
				return err
			}
			ctx, cancel := context.WithTimeout(c.Context(), 30*time.Second)
			defer cancel()
			return printVerdicts(o, dkim.Verify(ctx, msg, names.TXT))
		},
	}
	return c
}

func printVerdicts(o *options, results []dkim.Result) error {
	passed := false
	var lines []string
	for _, r := range results {
		passed = passed || r.Status == dkim.Pass
		line := fmt.Sprintf("%s header.d=%s header.s=%s header.a=%s", r.Status, r.Domain, r.Selector, r.Algorithm)
		if r.Err != nil {
			line += ": " + r.Err.Error()
		}
		lines = append(lines, line)
	}
	switch {
	case len(results) == 0:
		return errors.New("the message has no signature")
	case !passed:
		return fmt.Errorf("no signature passes\n%s", strings.Join(lines, "\n"))
	}
	_, err := fmt.Fprintln(o.std.out, strings.Join(lines, "\n"))
	return err
}

// names is the resolver of the cluster file, or the system's if there is no file.
func (o *options) names() (resolver.Resolver, error) {
	if _, err := o.clusterFile(localPlace, systemPlace); err != nil {
		return resolver.Open(resolver.Config{})
	}
	c, err := o.load(localPlace, systemPlace)
	if err != nil {
		return nil, err
	}
	return resolver.Open(c.Resolver)
}
