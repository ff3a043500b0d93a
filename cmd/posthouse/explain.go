// SPDX-License-Identifier: MIT

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"

	"github.com/spf13/cobra"

	"posthouse/internal/admin"
	"posthouse/internal/node"
	"posthouse/mail"
)

// explainFlags are a message that nobody has sent, or which of the refused ones is meant.
type explainFlags struct {
	client, helo, from, message, id string
	to                              []string
	last                            int
	json                            bool
}

func explainCommand(o *options) *cobra.Command {
	var f explainFlags
	c := &cobra.Command{
		Use:   "explain --client IP --from ADDRESS --to ADDRESS [--message FILE]",
		Short: "Say what smtp-in would answer to a message, or why it refused one, step by step",
		Long: `Say what smtp-in would answer to a message, and what it would do with it: each question that it asks, the answer, how long
it took, and the rule that decides. With --message it goes on to the final dot. Nothing is queued, and the greylist is only looked
at; filters and policy servers are asked as for any mail.

It runs in the service's own process, with all that it has learnt, or, if that does not run, by its files alone.

With --id or --last it shows how refusals came about: the running service remembers the last 1000. The id stands in the log
line of the refusal.`,
		Example: `  posthouse explain --client 192.0.2.1 --helo mail.example.com --from a@example.com --to postmaster@example.org
  posthouse explain --last 3`,
		Args: none,
		RunE: func(c *cobra.Command, _ []string) error { return f.run(c, o) },
	}
	flags := c.Flags()
	flags.StringVar(&f.client, "client", "", "address of the client")
	flags.StringVar(&f.helo, "helo", "", "what the client calls itself in EHLO (default its address as a literal)")
	flags.StringVar(&f.from, "from", "", "envelope sender; <> for a report")
	flags.StringArrayVar(&f.to, "to", nil, "recipient; may be given several times")
	flags.StringVar(&f.message, "message", "", "file with header and body; - is stdin")
	flags.StringVar(&f.id, "id", "", "show how the refusals of that message came about")
	flags.IntVar(&f.last, "last", 0, "show the last N refusals")
	flags.BoolVar(&f.json, "json", false, "print JSON, one object a line")
	return c
}

const explainExample = "posthouse explain --client 192.0.2.1 --helo mail.example.com --from a@example.com --to b@example.org"

func (f *explainFlags) run(c *cobra.Command, o *options) error {
	kept, made := c.Flags().Changed("id") || c.Flags().Changed("last"), false
	for _, name := range []string{"client", "helo", "from", "to", "message"} {
		made = made || c.Flags().Changed(name)
	}
	switch {
	case kept && made:
		return usage(errors.New("--id and --last show what has happened, and go with none of the other flags"), "`posthouse explain --help` has examples")
	case kept:
		return f.runKept(c.Context(), o)
	case !made:
		return usage(errors.New("explain needs a message: --client, --from and --to, or --id, or --last"), explainExample)
	}
	wanted, err := f.wanted(c, o.std.in)
	if err != nil {
		return err
	}
	cluster, err := runsSMTPIn(o.loadFor([]string{node.SMTPIn}, localPlace, systemPlace))
	if err != nil {
		return err
	}
	e, live, err := cluster.Explain(c.Context(), wanted)
	if err != nil {
		return err
	}
	if f.json {
		return printJSON(o.std.out, e)
	}
	if !live {
		fmt.Fprintln(o.std.err, "smtp-in does not run here: by its files alone, without what it has learnt")
	}
	return printExplanation(o.std.out, wanted, e)
}

// runsSMTPIn passes the cluster file of a node on that runs smtp-in.
func runsSMTPIn(c *node.Cluster, err error) (*node.Cluster, error) {
	if err == nil && !c.Self.Runs(node.SMTPIn) {
		err = hinted(fmt.Errorf("node %s does not run smtp-in", c.Self.Host), "name one that does with --node")
	}
	return c, err
}

// wanted reads the flags.
func (f *explainFlags) wanted(c *cobra.Command, stdin io.Reader) (w node.Case, err error) {
	for _, name := range []string{"client", "from", "to"} {
		if !c.Flags().Changed(name) {
			return w, usage(fmt.Errorf("explain needs --%s", name), explainExample)
		}
	}
	if w.Client, err = netip.ParseAddr(f.client); err != nil {
		return w, usage(fmt.Errorf("--client %q is not an IP address", f.client), "--client 192.0.2.1, or --client 2001:db8::1")
	}
	w.Client = w.Client.Unmap().WithZone("")
	if w.HELO = f.helo; w.HELO == "" {
		w.HELO = mail.Literal(w.Client)
	}
	if w.From, err = explainPath("--from", f.from, true); err != nil {
		return w, err
	}
	for _, text := range f.to {
		to, err := explainPath("--to", text, false)
		if err != nil {
			return w, err
		}
		w.To = append(w.To, to)
	}
	if f.message != "" {
		w.Message, err = readExplained(f.message, stdin)
	}
	return w, err
}

// explainPath reads an address with or without its brackets.
func explainPath(flag, text string, null bool) (mail.Path, error) {
	if null && (text == "" || text == "<>") {
		return mail.Path{}, nil
	}
	if len(text) > 1 && text[0] == '<' && text[len(text)-1] == '>' {
		text = text[1 : len(text)-1]
	}
	p, err := mail.ParseAddress(text)
	if err != nil {
		return p, usage(fmt.Errorf("%s %q: %w", flag, text, err), "write it as user@example.org")
	}
	return p, nil
}

// readExplained reads the message, which is sent to the service: its user need not be able to read the file.
func readExplained(file string, stdin io.Reader) ([]byte, error) {
	in := stdin
	if file != "-" {
		opened, err := os.Open(file)
		if err != nil {
			return nil, err
		}
		defer opened.Close()
		in = opened
	}
	text, err := io.ReadAll(io.LimitReader(in, node.MaxExplained+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("%s: %w", file, err)
	case len(text) > node.MaxExplained:
		return nil, hinted(fmt.Errorf("%s is larger than %d KiB", file, node.MaxExplained>>10), "cut its attachments out: the header and the first parts are what is judged")
	case len(text) == 0:
		return nil, fmt.Errorf("%s is empty", file)
	}
	return text, nil
}

// runKept shows refusals that have happened.
func (f *explainFlags) runKept(ctx context.Context, o *options) error {
	wanted := node.Wanted{ID: mail.ID(f.id), Last: f.last}
	switch {
	case f.id != "" && f.last != 0:
		return usage(errors.New("--id and --last exclude each other"), "--last 5 shows the last five refusals of any message")
	case f.id == "" && f.last < 1:
		return usage(fmt.Errorf("--last %d: how many?", f.last), "--last 5 shows the last five refusals")
	case f.id != "" && !wanted.ID.Valid():
		return usage(fmt.Errorf("%q is not a queue id", f.id), "the log line of a refusal has one: id=...")
	}
	cluster, err := runsSMTPIn(o.ask(localPlace, systemPlace))
	if err != nil {
		return err
	}
	records, err := cluster.Trails(ctx, wanted)
	if errors.Is(err, admin.ErrNotRunning) {
		return hinted(fmt.Errorf("smtp-in does not run here, and refusals are remembered by the running service alone: %w", err),
			"`posthouse explain --client ...` works without it")
	}
	if err != nil {
		return err
	}
	for _, r := range records {
		if f.json {
			err = printJSON(o.std.out, r)
		} else {
			err = printRecord(o.std.out, r)
		}
		if err != nil {
			return err
		}
	}
	if len(records) == 0 && !f.json {
		fmt.Fprintln(o.std.err, "smtp-in has refused nothing since it started")
	}
	return nil
}
