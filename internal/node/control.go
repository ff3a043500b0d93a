// SPDX-License-Identifier: MIT

package node

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"

	"posthouse/delivery"
	"posthouse/internal/admin"
	"posthouse/mail"
	"posthouse/queue"
	"posthouse/queue/pebbledb"
)

// Control puts a verb to a service of this node: to the process that runs it, or, if none does, to its queue on disk.
func (c *Cluster) Control(ctx context.Context, service, verb string, args any, each func(json.RawMessage) error) error {
	err := admin.Call(ctx, c.ControlSocket(service), verb, args, each)
	if !errors.Is(err, admin.ErrNotRunning) {
		return err
	}
	if _, missing := os.Stat(c.QueueDir(service)); errors.Is(missing, fs.ErrNotExist) {
		return fmt.Errorf("%w, and there is no queue in %s", err, c.QueueDir(service))
	}
	return c.stopped(ctx, service, verb, args, each)
}

// stopped answers from the store itself. It is opened for reading alone unless the verb changes it.
func (c *Cluster) stopped(ctx context.Context, service, verb string, args any, each func(json.RawMessage) error) (err error) {
	reads := verb == delivery.VerbList || verb == delivery.VerbShow || verb == delivery.VerbExport
	store, err := pebbledb.Open(c.QueueDir(service), pebbledb.Options{ReadOnly: reads})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	section := c.sectionOf(service)
	var reportTo func(mail.Recipient) []mail.Recipient
	if verb == delivery.VerbBounce {
		if reportTo, err = c.reportsOf(service); err != nil {
			return err
		}
	}
	q, err := queue.New(ctx, section.delivery.Queue(queue.Options{Store: store, Destination: destinationOf(service)}))
	if err != nil {
		return err
	}
	defer q.Close()
	m := delivery.New(delivery.Options{
		Queue: q, Upgrade: store.Upgrade, Service: Label(service), Hostname: section.Hostname, Config: *section.delivery,
		Expand: reportTo, Log: slog.New(slog.DiscardHandler),
	})
	handler, ok := m.Control()[verb]
	if !ok {
		return fmt.Errorf("no such command: %s", verb)
	}
	in, err := json.Marshal(args)
	if err != nil {
		return err
	}
	return handler(ctx, in, func(v any) error {
		line, err := json.Marshal(v)
		if err != nil {
			return err
		}
		return each(line)
	})
}
