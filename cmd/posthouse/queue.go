// SPDX-License-Identifier: MIT

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"posthouse/delivery"
	"posthouse/internal/admin"
	"posthouse/internal/node"
	"posthouse/mail"
)

// queueFlags choose messages and the form of the answer.
type queueFlags struct {
	filter  delivery.Filter
	service string
	json    bool
}

func queueCommand(o *options) *cobra.Command {
	c := &cobra.Command{
		Use:   "queue",
		Short: "List and change the mail that waits, in running and in stopped services",
		Args:  cobra.NoArgs,
		RunE:  func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	for _, v := range []struct{ name, verb, short string }{
		{"list", delivery.VerbList, "List waiting recipients"},
		{"show", delivery.VerbShow, "Show messages: envelope and header"},
		{"retry", delivery.VerbRetry, "Try now, whatever the schedule says"},
		{"hold", delivery.VerbHold, "Keep from delivery until released"},
		{"release", delivery.VerbRelease, "Let held mail go"},
		{"delete", delivery.VerbDelete, "Delete; nobody is told"},
		{"bounce", delivery.VerbBounce, "Return to the sender"},
	} {
		c.AddCommand(queueVerb(o, v.name, v.verb, v.short))
	}
	c.AddCommand(queueTransfer(o, "export", delivery.VerbExport, "Write messages into DIR, one .eml and one .json each"),
		queueTransfer(o, "import", delivery.VerbImport, "Add the messages of DIR to the queue, under new ids"), queueUpgrade(o))
	return c
}

func (f *queueFlags) add(c *cobra.Command) {
	flags := c.Flags()
	flags.StringVar(&f.filter.Sender, "sender", "", "only mail from that address (<> for reports)")
	flags.StringVar(&f.filter.Recipient, "recipient", "", "only mail to that address")
	flags.StringVar(&f.filter.Domain, "domain", "", "only mail to that domain")
	flags.StringVar(&f.filter.State, "state", "", "only mail in that state: queued, deferred or held")
	flags.BoolVar(&f.filter.All, "all", false, "all mail")
	f.addCommon(c)
}

func (f *queueFlags) addCommon(c *cobra.Command) {
	c.Flags().StringVar(&f.service, "service", "", "only that service's queue: smtp-in, smtp-out or maildrop (default: all of the node)")
	c.Flags().BoolVar(&f.json, "json", false, "print one JSON object a line")
}

func queueVerb(o *options, name, verb, short string) *cobra.Command {
	var f queueFlags
	c := &cobra.Command{
		Use:   name + " [ID...]",
		Short: short,
		RunE: func(c *cobra.Command, ids []string) error {
			for _, id := range ids {
				f.filter.IDs = append(f.filter.IDs, mail.ID(id))
			}
			if verb != delivery.VerbList && f.empty() {
				return usage(fmt.Errorf("queue %s needs to know which mail", name), "name ids, a filter (--help lists them), or --all")
			}
			return f.ask(c.Context(), o, verb, f.filter)
		},
	}
	f.add(c)
	return c
}

func (f *queueFlags) empty() bool {
	x := f.filter
	return !x.All && len(x.IDs) == 0 && x.Sender == "" && x.Recipient == "" && x.Domain == "" && x.State == ""
}

func queueTransfer(o *options, name, verb, short string) *cobra.Command {
	var f queueFlags
	c := &cobra.Command{
		Use:   name + " DIR",
		Short: short,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return usage(fmt.Errorf("queue %s takes one folder", name), "posthouse queue "+name+" DIR")
			}
			return nil
		},
		RunE: func(c *cobra.Command, args []string) error {
			dir, err := filepath.Abs(args[0])
			if err != nil {
				return err
			}
			if verb == delivery.VerbImport && f.service == "" {
				return usage(errors.New("queue import needs to know which queue"), "say --service smtp-out, for instance")
			}
			f.filter.All = f.empty()
			return f.ask(c.Context(), o, verb, delivery.Transfer{Dir: dir, Filter: f.filter})
		},
	}
	f.add(c)
	return c
}

func queueUpgrade(o *options) *cobra.Command {
	var f queueFlags
	c := &cobra.Command{
		Use:   "upgrade",
		Short: "Raise the queue's format on disk; the release before this one can then not read it any more",
		Args:  cobra.NoArgs,
		RunE:  func(c *cobra.Command, _ []string) error { return f.ask(c.Context(), o, delivery.VerbUpgrade, nil) },
	}
	f.addCommon(c)
	return c
}

// answer is one line that came back, and whose.
type answer struct {
	Service string `json:"service"`
	line    json.RawMessage
}

// ask puts a verb to each service of the node and prints what comes back.
func (f *queueFlags) ask(ctx context.Context, o *options, verb string, args any) error {
	c, err := o.load(localPlace, systemPlace)
	if err != nil {
		return err
	}
	services, err := f.services(c)
	if err != nil {
		return err
	}
	var answers []answer
	for _, service := range services {
		err := c.Control(ctx, service, verb, args, func(line json.RawMessage) error {
			answers = append(answers, answer{node.Label(service), line})
			return nil
		})
		if err != nil {
			return f.explain(service, err)
		}
	}
	return f.print(o, verb, answers)
}

func (f *queueFlags) explain(service string, err error) error {
	err = fmt.Errorf("%s: %w", node.Label(service), err)
	if errors.Is(err, admin.ErrNotRunning) {
		return hinted(err, "start the service, or stop it cleanly: a queue that nobody has open can be read as it is")
	}
	return err
}

// services are the node's that have a queue, or the one that --service names.
func (f *queueFlags) services(c *node.Cluster) ([]string, error) {
	var all []string
	for _, s := range c.Self.Services {
		if s != node.Balancer && (f.service == "" || node.Label(s) == node.Label(f.service)) {
			all = append(all, s)
		}
	}
	if len(all) == 0 {
		return nil, hinted(fmt.Errorf("node %s runs no service %s with a queue", c.Self.Host, f.service), "--service takes one of %s", strings.Join(c.Self.Services, ", "))
	}
	return all, nil
}

func (f *queueFlags) print(o *options, verb string, answers []answer) error {
	switch {
	case f.json || verb == delivery.VerbShow || verb == delivery.VerbExport || verb == delivery.VerbImport:
		return printAnswers(o, verb, f.json, answers)
	case verb == delivery.VerbUpgrade:
		_, err := fmt.Fprintln(o.std.out, "upgraded")
		return err
	}
	return printItems(o, answers)
}

// printAnswers prints details as a person reads them, or everything as JSON with the service's name in it.
func printAnswers(o *options, verb string, asJSON bool, answers []answer) error {
	for _, a := range answers {
		if verb == delivery.VerbShow && !asJSON {
			if err := printDetail(o, a); err != nil {
				return err
			}
			continue
		}
		fields := map[string]json.RawMessage{}
		if err := json.Unmarshal(a.line, &fields); err != nil {
			return err
		}
		fields["service"], _ = json.Marshal(a.Service)
		if err := printJSON(o.std.out, fields); err != nil {
			return err
		}
	}
	return nil
}

func printDetail(o *options, a answer) error {
	var d delivery.Detail
	if err := json.Unmarshal(a.line, &d); err != nil {
		return err
	}
	e := d.Envelope
	fmt.Fprintf(o.std.out, "%s in %s\n  from    <%s>\n  client  %s[%s] helo=%s %s %s\n  arrived %s\n",
		e.ID, a.Service, e.From, e.Client.Name, e.Client.Addr.Addr(), e.Client.HELO, e.Client.Protocol, e.Client.TLS, e.Arrived.Format(time.RFC3339))
	for _, i := range d.Items {
		fmt.Fprintf(o.std.out, "  to      <%s> %s, %d attempts%s\n", i.Recipient, i.State, i.Attempts, reason(i))
	}
	_, err := fmt.Fprintf(o.std.out, "\n%s\n", strings.ReplaceAll(d.Header, "\r\n", "\n"))
	return err
}

// printItems prints a table, the oldest first.
func printItems(o *options, answers []answer) error {
	items := make([]struct {
		delivery.Item
		service string
	}, len(answers))
	for i, a := range answers {
		if err := json.Unmarshal(a.line, &items[i].Item); err != nil {
			return err
		}
		items[i].service = a.Service
	}
	w := tabwriter.NewWriter(o.std.out, 0, 0, 2, ' ', 0)
	if len(items) > 0 {
		fmt.Fprintln(w, "ID\tSERVICE\tSTATE\tTRIES\tSIZE\tFROM\tTO\tWHY")
	}
	for _, i := range items {
		fmt.Fprintf(w, "%s\t%s\t%s\t%d\t%d\t%s\t%s\t%s\n", i.ID, i.service, i.State, i.Attempts, i.Size, i.Sender, i.Recipient, i.Reason)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	_, err := fmt.Fprintf(o.std.out, "%d recipients in %d messages\n", len(items), distinct(answers))
	return err
}

func distinct(answers []answer) int {
	var ids []string
	for _, a := range answers {
		var i struct{ ID string }
		if json.Unmarshal(a.line, &i) == nil {
			ids = append(ids, a.Service+i.ID)
		}
	}
	slices.Sort(ids)
	return len(slices.Compact(ids))
}

func reason(i delivery.Item) string {
	if i.Reason == "" {
		return ""
	}
	return ": " + i.Reason
}
