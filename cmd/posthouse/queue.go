// SPDX-License-Identifier: MIT

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"strings"

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

// verb is one queue command, and its name at the control socket.
type verb struct{ name, verb, short string }

func queueCommand(o *options) *cobra.Command {
	c := &cobra.Command{
		Use:   "queue",
		Short: "List and change the mail that waits, in running and in stopped services",
		Args:  none,
		RunE:  func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	for _, v := range []verb{
		{"list", delivery.VerbList, "List waiting recipients"},
		{"show", delivery.VerbShow, "Show messages: envelope and header"},
		{"retry", delivery.VerbRetry, "Try now, whatever the schedule says"},
		{"hold", delivery.VerbHold, "Keep from delivery until released"},
		{"release", delivery.VerbRelease, "Let held mail go"},
		{"delete", delivery.VerbDelete, "Delete; nobody is told"},
		{"bounce", delivery.VerbBounce, "Return to the sender"},
	} {
		c.AddCommand(queueVerb(o, v))
	}
	c.AddCommand(
		queueTransfer(o, verb{"export", delivery.VerbExport, "Write messages into DIR, one .eml and one .json each"}),
		queueTransfer(o, verb{"import", delivery.VerbImport, "Add the messages of DIR to the queue, under new ids"}),
		queueUpgrade(o))
	return c
}

func (f *queueFlags) add(c *cobra.Command) {
	flags := c.Flags()
	flags.StringVar(&f.filter.Sender, "sender", "", "only mail from that address (<> for reports)")
	flags.StringVar(&f.filter.Recipient, "recipient", "", "only mail to that address")
	flags.StringVar(&f.filter.Domain, "domain", "", "only mail to that domain")
	flags.StringVar(&f.filter.State, "state", "", "only mail in that state: active, due, deferred or held")
	flags.BoolVar(&f.filter.All, "all", false, "all mail")
	f.addCommon(c)
}

func (f *queueFlags) addCommon(c *cobra.Command) {
	c.Flags().StringVar(&f.service, "service", "", "only that service's queue: smtp-in, smtp-out or maildrop (default: all of the node)")
	c.Flags().BoolVar(&f.json, "json", false, "print one JSON object a line")
}

func queueVerb(o *options, v verb) *cobra.Command {
	var f queueFlags
	c := &cobra.Command{
		Use:   v.name + " [ID...]",
		Short: v.short,
		RunE: func(c *cobra.Command, ids []string) error {
			for _, id := range ids {
				if !mail.ID(id).Valid() {
					return usage(fmt.Errorf("%q is not a queue id", id), "`posthouse queue list` shows the ids")
				}
				f.filter.IDs = append(f.filter.IDs, mail.ID(id))
			}
			if v.verb != delivery.VerbList && f.empty() {
				return usage(fmt.Errorf("queue %s needs to know which mail", v.name), "name ids, a filter (--help lists them), or --all")
			}
			return f.ask(c.Context(), o, v.verb, f.filter)
		},
	}
	f.add(c)
	return c
}

func (f *queueFlags) empty() bool {
	x := f.filter
	return !x.All && len(x.IDs) == 0 && x.Sender == "" && x.Recipient == "" && x.Domain == "" && x.State == ""
}

func queueTransfer(o *options, v verb) *cobra.Command {
	var f queueFlags
	c := &cobra.Command{
		Use:   v.name + " DIR",
		Short: v.short,
		Args:  one("DIR"),
		RunE: func(c *cobra.Command, args []string) error {
			dir, err := filepath.Abs(args[0])
			if err != nil {
				return err
			}
			if v.verb == delivery.VerbImport && f.service == "" {
				return usage(errors.New("queue import needs to know which queue"), "say --service smtp-out, for instance")
			}
			f.filter.All = f.empty()
			return f.ask(c.Context(), o, v.verb, delivery.Transfer{Dir: dir, Filter: f.filter})
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
		Args:  none,
		RunE:  func(c *cobra.Command, _ []string) error { return f.ask(c.Context(), o, delivery.VerbUpgrade, nil) },
	}
	f.addCommon(c)
	return c
}

// answer is one line that came back, and whose.
type answer struct {
	service string
	line    json.RawMessage
}

// ask puts a verb to each service of the node and prints what comes back. One that fails does not keep the others from
// doing it.
func (f *queueFlags) ask(ctx context.Context, o *options, verb string, args any) error {
	c, err := o.ask(localPlace, systemPlace)
	if err != nil {
		return err
	}
	services, err := f.services(c)
	if err != nil {
		return err
	}
	var answers []answer
	var failed failures
	for _, service := range services {
		err := c.Control(ctx, service, verb, args, func(line json.RawMessage) error {
			answers = append(answers, answer{node.Label(service), line})
			return nil
		})
		if err != nil {
			failed.add(node.Label(service), err)
		} else if verb == delivery.VerbUpgrade {
			answers = append(answers, answer{node.Label(service), json.RawMessage("{}")})
		}
	}
	if len(failed) > 0 {
		return explain(errors.Join(append(notMoved(verb, answers), failed.all()...)...))
	}
	return f.print(o, verb, answers)
}

// failures are what services could not do. What is the same for several is said once.
type failures []struct {
	services string
	err      error
}

func (f *failures) add(service string, err error) {
	for i, other := range *f {
		if other.err.Error() == err.Error() {
			(*f)[i].services += ", " + service
			return
		}
	}
	*f = append(*f, struct {
		services string
		err      error
	}{service, err})
}

func (f failures) all() []error {
	var out []error
	for _, one := range f {
		out = append(out, fmt.Errorf("%s: %w", one.services, one.err))
	}
	return out
}

func explain(err error) error {
	if errors.Is(err, admin.ErrNotRunning) {
		return hinted(err, "start the service once: the queue of one that is stopped can be read as it is")
	}
	return err
}

// services are the node's that have a queue, or the one that --service names.
func (f *queueFlags) services(c *node.Cluster) ([]string, error) {
	var all, chosen []string
	for _, s := range c.Self.Services {
		if s == node.Balancer {
			continue
		}
		all = append(all, node.Label(s))
		if f.service == "" || node.Label(s) == node.Label(f.service) {
			chosen = append(chosen, s)
		}
	}
	switch {
	case len(all) == 0:
		return nil, fmt.Errorf("node %s runs no service with a queue", c.Self.Host)
	case len(chosen) == 0:
		return nil, hinted(fmt.Errorf("node %s runs no service %s with a queue", c.Self.Host, f.service), "--service takes one of %s", strings.Join(all, ", "))
	}
	return chosen, nil
}
