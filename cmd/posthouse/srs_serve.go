// SPDX-License-Identifier: MIT

package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"posthouse/config"
	"posthouse/internal/daemon"
	"posthouse/internal/listen"
	"posthouse/internal/node"
	"posthouse/srs"
	"posthouse/srstable"
)

// srsServeFlags are what PostSRSd is told on its command line.
type srsServeFlags struct {
	srs                         srs.Config
	domain, secret, maxAge      string
	forward, reverse, socketmap string
	timeout                     string
	run                         node.SRSTables
}

func srsServe(o *options) *cobra.Command {
	var f srsServeFlags
	f.srs.SetDefaults()
	c := &cobra.Command{
		Use:   "serve",
		Short: "Answer a Postfix's canonical maps in PostSRSd's place",
		Long: `Answer a Postfix's canonical maps in PostSRSd's place, from its own secret file:

    posthouse srs serve --domain example.org --secret-file /etc/postsrsd.secret

The domain and the secrets come from these flags; or from smtp_in.srs of a cluster file, which single flags may override.
In main.cf:

    sender_canonical_maps = tcp:127.0.0.1:10001
    sender_canonical_classes = envelope_sender
    recipient_canonical_maps = tcp:127.0.0.1:10002
    recipient_canonical_classes = envelope_recipient, header_recipient

or, with --socketmap unix:/var/spool/postfix/srs, socketmap:unix:srs:forward and socketmap:unix:srs:reverse as the maps.`,
		Args: none,
		RunE: func(c *cobra.Command, _ []string) error { return f.serve(c, o) },
	}
	f.add(c)
	return c
}

func (f *srsServeFlags) add(c *cobra.Command) {
	flags := c.Flags()
	flags.StringVarP(&f.domain, "domain", "d", "", "domain of rewritten senders")
	flags.StringVarP(&f.secret, "secret-file", "s", "", "file with a secret a line: the first signs, all verify")
	flags.StringVarP(&f.forward, "forward", "f", "127.0.0.1:10001", `where tcp_table(5) rewrites senders; "" is nowhere`)
	flags.StringVarP(&f.reverse, "reverse", "r", "127.0.0.1:10002", `where tcp_table(5) turns recipients back; "" is nowhere`)
	flags.StringVar(&f.socketmap, "socketmap", "", "where socketmap_table(5) answers for both: unix:/path or host:port")
	flags.StringSliceVarP(&f.srs.ExcludeDomains, "exclude-domain", "X", nil, "senders in it stay as they are; .d is what is below d")
	flags.StringVarP(&f.srs.Separator, "separator", "a", f.srs.Separator, "after SRS0 and SRS1: =, + or -")
	flags.IntVarP(&f.srs.HashLength, "hash-length", "n", f.srs.HashLength, "characters of the hash that are made")
	flags.IntVarP(&f.srs.HashMinimum, "hash-minimum", "N", f.srs.HashMinimum, "characters of the hash that are wanted")
	flags.StringVar(&f.maxAge, "max-age", "21d", "how long a bounce may take, in whole days")
	flags.BoolVarP(&f.run.AlwaysRewrite, "always-rewrite", "A", false, "rewrite senders in the domain itself too")
	flags.StringVarP(&f.timeout, "timeout", "t", "30m", "until a silent connection is closed")
	flags.IntVar(&f.run.MaxConnections, "connections", srstable.DefaultConnections, "how many there may be at once")
	flags.BoolVarP(&f.run.Verbose, "verbose", "v", false, "log each rewriting, not only what could not be rewritten")
}

func (f *srsServeFlags) serve(c *cobra.Command, o *options) error {
	if err := f.settle(c, o); err != nil {
		return err
	}
	f.run.Log = daemon.Logger(o.std.err, "srs")
	f.run.Ready = func(listeners []node.Listener) {
		oneProcessor()
		for _, l := range listeners {
			f.run.Log.Info("listening", "table", l.Service, "address", l.Address)
		}
	}
	return started(f.run.Run(c.Context()))
}

// oneProcessor keeps Go to one processor unless the environment says otherwise. An answer takes microseconds, one processor
// gives 200,000 a second, and with more of them half of the CPU time goes into looking for work between two requests.
func oneProcessor() {
	if os.Getenv("GOMAXPROCS") == "" {
		runtime.GOMAXPROCS(1)
	}
}

// settle reads the flags, and the cluster file for what they do not say.
func (f *srsServeFlags) settle(c *cobra.Command, o *options) error {
	if err := f.parse(); err != nil {
		return usage(err, "`posthouse srs serve --help` lists the flags")
	}
	base := f.srs
	if f.domain == "" || f.secret == "" || o.config != "" {
		var err error
		if base, err = f.fromCluster(o); err != nil {
			return err
		}
	}
	f.run.SRS = f.over(c, base)
	if err := f.run.SRS.Check(); err != nil {
		return usage(err, "`posthouse srs serve --help` lists the flags")
	}
	return nil
}

// fromCluster is the cluster file's block.
func (f *srsServeFlags) fromCluster(o *options) (srs.Config, error) {
	c, err := o.loadFor([]string{node.SMTPIn}, systemPlace, localPlace)
	if err != nil {
		return srs.Config{}, hinted(err, "without a cluster file srs serve needs --domain and --secret-file")
	}
	if c.SMTPIn == nil || c.SMTPIn.SRS == nil {
		return srs.Config{}, hinted(errors.New("the cluster file has no srs"),
			"give --domain and --secret-file, or smtp_in an srs: {domain: ..., secret_file: ...}")
	}
	return *c.SMTPIn.SRS, nil
}

// over lays the flags that were given over a block.
func (f *srsServeFlags) over(c *cobra.Command, base srs.Config) srs.Config {
	for name, take := range map[string]func(){
		"domain":         func() { base.Domain = f.srs.Domain },
		"secret-file":    func() { base.SecretFile = f.srs.SecretFile },
		"exclude-domain": func() { base.ExcludeDomains = f.srs.ExcludeDomains },
		"separator":      func() { base.Separator = f.srs.Separator },
		"hash-length":    func() { base.HashLength = f.srs.HashLength },
		"hash-minimum":   func() { base.HashMinimum = f.srs.HashMinimum },
		"max-age":        func() { base.MaxAge = f.srs.MaxAge },
	} {
		if c.Flags().Changed(name) {
			take()
		}
	}
	return base
}

// parse turns the words of the flags into values.
func (f *srsServeFlags) parse() error {
	var errs []error
	read := func(flag, text string, into interface{ UnmarshalText([]byte) error }) {
		if text == "" {
			return
		}
		if err := into.UnmarshalText([]byte(text)); err != nil {
			errs = append(errs, fmt.Errorf("--%s: %w", flag, err))
		}
	}
	var idle config.Duration
	read("domain", f.domain, &f.srs.Domain)
	read("max-age", f.maxAge, &f.srs.MaxAge)
	read("timeout", f.timeout, &idle)
	read("forward", f.forward, &f.run.Forward.Address)
	read("reverse", f.reverse, &f.run.Reverse.Address)
	read("socketmap", f.socketmap, &f.run.Socketmap.Address)
	f.run.Idle = time.Duration(idle)
	f.name()
	if f.secret != "" {
		path, err := filepath.Abs(f.secret)
		errs = append(errs, err)
		f.srs.SecretFile = config.Path(path)
	}
	f.srs.ExcludeDomains = words(f.srs.ExcludeDomains)
	return errors.Join(errs...)
}

// name gives the sockets the names by which systemd may hold them open.
func (f *srsServeFlags) name() {
	for name, l := range map[string]*listen.Config{
		"srs-forward": &f.run.Forward, "srs-reverse": &f.run.Reverse, "srs-socketmap": &f.run.Socketmap,
	} {
		l.Name = name
	}
}

// words splits at blanks and semicolons too, as PostSRSd does.
func words(lists []string) []string {
	var out []string
	for _, list := range lists {
		out = append(out, strings.FieldsFunc(list, func(r rune) bool { return strings.ContainsRune(",; \t\r\n", r) })...)
	}
	return out
}
