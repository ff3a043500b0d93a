// SPDX-License-Identifier: MIT

package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	"posthouse/delivery"
	"posthouse/mail"
)

// print shows what the services answered, in the form that the verb's answers have.
func (f *queueFlags) print(o *options, verb string, answers []answer) error {
	switch verb {
	case delivery.VerbList:
		return f.printList(o, answers)
	case delivery.VerbShow:
		return f.printShow(o, answers)
	case delivery.VerbExport, delivery.VerbImport:
		return f.printMoved(o, answers)
	case delivery.VerbUpgrade:
		return f.printUpgraded(o, answers)
	}
	return f.printActed(o, verb, answers)
}

// decoded reads all answers.
func decoded[T any](answers []answer) ([]T, error) {
	out := make([]T, len(answers))
	for i, a := range answers {
		if err := json.Unmarshal(a.line, &out[i]); err != nil {
			return nil, fmt.Errorf("%s: answer: %w", a.service, err)
		}
	}
	return out, nil
}

// printLines prints every answer as JSON, with the service's name in it.
func printLines(o *options, answers []answer) error {
	all, err := decoded[map[string]json.RawMessage](answers)
	if err != nil {
		return err
	}
	for i, fields := range all {
		fields["service"], _ = json.Marshal(answers[i].service)
		if err := printJSON(o.std.out, fields); err != nil {
			return err
		}
	}
	return nil
}

// printList prints a table, or JSON.
func (f *queueFlags) printList(o *options, answers []answer) error {
	if f.json {
		return printLines(o, answers)
	}
	items, err := decoded[delivery.Item](answers)
	if err != nil {
		return err
	}
	w := tabwriter.NewWriter(o.std.out, 0, 0, 2, ' ', 0)
	if len(items) > 0 {
		fmt.Fprintln(w, "ID\tSERVICE\tSTATE\tTRIES\tSIZE\tFROM\tTO\tWHY")
	}
	messages := map[string]bool{}
	for i, it := range items {
		messages[answers[i].service+string(it.ID)] = true
		fmt.Fprintf(w, "%s\t%s\t%s\t%d\t%d\t%s\t%s\t%s\n", it.ID, answers[i].service, it.State, it.Attempts, it.Size, it.Sender, it.Recipient, it.Reason)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	_, err = fmt.Fprintf(o.std.out, "%s in %s\n", count(len(items), "recipient"), count(len(messages), "message"))
	return err
}

// count is a number with its noun.
func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// printShow prints messages; there must be one.
func (f *queueFlags) printShow(o *options, answers []answer) error {
	details, err := decoded[delivery.Detail](answers)
	switch {
	case err != nil:
		return err
	case len(details) == 0:
		return errNoMessage()
	case f.json:
		return printLines(o, answers)
	}
	for i, d := range details {
		if err := printDetail(o, answers[i].service, d); err != nil {
			return err
		}
	}
	return nil
}

func errNoMessage() error {
	return hinted(errors.New("no such message in the queue"), "`posthouse queue list` shows what is there")
}

func printDetail(o *options, service string, d delivery.Detail) error {
	e := d.Envelope
	fmt.Fprintf(o.std.out, "%s in %s\n  from    <%s>\n  client  %s\n  arrived %s\n", e.ID, service, e.From, origin(e.Client), e.Arrived.UTC().Format(time.RFC3339))
	for _, it := range d.Items {
		fmt.Fprintf(o.std.out, "  to      <%s> %s, %s%s\n", it.Recipient, it.State, count(it.Attempts, "attempt"), reason(it))
	}
	_, err := fmt.Fprintf(o.std.out, "\n%s\n", d.Header)
	return err
}

// origin is where mail came from; reports have no client.
func origin(c mail.Client) string {
	if !c.Addr.IsValid() {
		return "none: made here"
	}
	return strings.TrimSpace(fmt.Sprintf("%s[%s] helo=%s %s %s", c.Name, c.Addr.Addr(), c.HELO, c.Protocol, c.TLS))
}

func reason(i delivery.Item) string {
	if i.Reason == "" {
		return ""
	}
	return ": " + i.Reason
}

// printUpgraded names the queues.
func (f *queueFlags) printUpgraded(o *options, answers []answer) error {
	if f.json {
		return printLines(o, answers)
	}
	for _, a := range answers {
		if _, err := fmt.Fprintf(o.std.out, "%s upgraded\n", a.service); err != nil {
			return err
		}
	}
	return nil
}

// printMoved names the files.
func (f *queueFlags) printMoved(o *options, answers []answer) error {
	if f.json {
		return printLines(o, answers)
	}
	moved, err := decoded[delivery.Moved](answers)
	if err != nil {
		return err
	}
	for i, m := range moved {
		if _, err := fmt.Fprintf(o.std.out, "%s %s %s\n", m.ID, answers[i].service, m.File); err != nil {
			return err
		}
	}
	_, err = fmt.Fprintln(o.std.out, count(len(moved), "message"))
	return err
}

// notMoved is why single messages could not be exported.
func notMoved(verb string, answers []answer) []error {
	if verb != delivery.VerbExport {
		return nil
	}
	moved, err := decoded[delivery.Moved](answers)
	if err != nil {
		return []error{err}
	}
	var out []error
	for _, m := range moved {
		if m.Error != "" {
			out = append(out, fmt.Errorf("%s: %s", m.ID, m.Error))
		}
	}
	return out
}

// printActed adds up what was changed. Messages that were named must be there.
func (f *queueFlags) printActed(o *options, verb string, answers []answer) error {
	acted, err := decoded[delivery.Acted](answers)
	if err != nil {
		return err
	}
	var sum delivery.Acted
	for _, a := range acted {
		sum.Now, sum.Later = sum.Now+a.Now, sum.Later+a.Later
	}
	if sum == (delivery.Acted{}) && len(f.filter.IDs) > 0 {
		return errNoMessage()
	}
	if f.json {
		return printLines(o, answers)
	}
	done := map[string]string{
		delivery.VerbRetry: "due now", delivery.VerbHold: "held", delivery.VerbRelease: "released",
		delivery.VerbDelete: "deleted", delivery.VerbBounce: "returned to the sender",
	}[verb]
	text := count(sum.Now, "recipient") + " " + done
	if sum.Later > 0 {
		text += fmt.Sprintf("; %d more when the attempt under way has ended", sum.Later)
	}
	_, err = fmt.Fprintln(o.std.out, text)
	return err
}
