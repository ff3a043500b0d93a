// SPDX-License-Identifier: MIT

package node

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"

	"posthouse/certs"
	"posthouse/config"
	"posthouse/delivery"
	"posthouse/internal/admin"
	"posthouse/internal/daemon"
	"posthouse/internal/listen"
	"posthouse/mail"
	"posthouse/queue"
	"posthouse/queue/pebbledb"
	"posthouse/smtpd"
)

// service is one SMTP service while it is put together: a server in front, a queue, and deliveries behind.
type service struct {
	*process
	name     string // "smtp_in"
	label    string // "smtp-in", in logs, metrics and the file system
	dir      string // data_dir/label
	log      *slog.Logger
	config   *smtpd.Config
	delivery *delivery.Config
	tls      *certs.Config // the service's own; nil: the node's

	store   *pebbledb.Store
	queue   *queue.Queue
	manager *delivery.Manager
	server  *smtpd.Server
	sockets []net.Listener

	destination func(mail.Path) string                // fairness key
	reportTo    func(mail.Recipient) []mail.Recipient // who gets reports to a sender; nil: he himself
}

func (p *process) newService(name string, c *smtpd.Config, d *delivery.Config, tls *certs.Config) *service {
	label := strings.ReplaceAll(name, "_", "-")
	return &service{
		process: p, name: name, label: label, dir: p.dirOf(name), log: p.Log.With("service", label),
		config: c, delivery: d, tls: tls, destination: destinationOf(name),
	}
}

// Label is a service's name in logs, metrics, on the command line and in the file system.
func Label(service string) string { return strings.ReplaceAll(service, "_", "-") }

// dirOf is where a service keeps its queue, lock and control socket.
func (c *Cluster) dirOf(service string) string {
	return filepath.Join(string(c.DataDir), Label(service))
}

// ControlSocket is where a running service of this node takes the operator's commands.
func (c *Cluster) ControlSocket(service string) string {
	return filepath.Join(c.dirOf(service), "control.sock")
}

// QueueDir is where a service of this node keeps its queue.
func (c *Cluster) QueueDir(service string) string { return filepath.Join(c.dirOf(service), "queue") }

// addParts adds the service's parts in the order of their start; they are closed the other way round, the store last.
// setup makes the service over the open queue: its routes for delivery and its rules for smtpd.
func (s *service) addParts(setup func(ctx context.Context) (*routes, smtpd.Service, error)) {
	var r *routes
	var rules smtpd.Service
	s.daemon.Add(daemon.Part{
		Name: s.label + " queue",
		Start: func(ctx context.Context) (err error) {
			if err = s.openQueue(ctx); err != nil {
				return err
			}
			r, rules, err = setup(ctx)
			return err
		},
		Run:   s.watchStore,
		Close: s.closeQueue,
	})
	s.daemon.Add(daemon.Part{
		Name: s.label + " delivery",
		Start: func(context.Context) error {
			s.manager = delivery.New(s.deliveryOptions(r))
			return nil
		},
		Run:   func(stop, hard context.Context) error { return s.manager.Run(stop, hard) },
		Close: func() error { return r.close() },
	})
	s.addControl()
	s.daemon.Add(daemon.Part{
		Name:  s.label + " smtp",
		Start: func(ctx context.Context) error { return s.listen(ctx, rules) },
		Run:   s.serve,
	})
	s.ready = append(s.ready, func() error { return s.store.Err() })
}

func (s *service) openQueue(ctx context.Context) error {
	if err := os.MkdirAll(s.dir, 0o700); err != nil {
		return err
	}
	var err error
	s.store, err = pebbledb.Open(s.QueueDir(s.name), s.storeOptions())
	if err != nil {
		return fmt.Errorf("open the queue in %s: %w", s.dir, err)
	}
	return nil
}

func (s *service) storeOptions() pebbledb.Options {
	limit := int64(s.config.MessageSizeLimit)
	return pebbledb.Options{Log: s.log, MessageLimit: limit, MinFree: limit*3/2 + 64<<20}
}

// watchStore ends the process when the store can no longer be trusted: it has to be started again.
func (s *service) watchStore(stop, _ context.Context) error {
	select {
	case <-stop.Done():
		return nil
	case <-s.store.Failed():
		return fmt.Errorf("the queue in %s failed: %w", s.dir, s.store.Err())
	}
}

func (s *service) closeQueue() error {
	if s.queue != nil {
		s.queue.Close()
	}
	if s.store == nil {
		return nil
	}
	return s.store.Close()
}

// addControl opens the control socket.
func (s *service) addControl() {
	var control *admin.Control
	s.daemon.Add(daemon.Part{
		Name: s.label + " control",
		Start: func(context.Context) (err error) {
			control, err = admin.ListenControl(s.ControlSocket(s.name), s.manager.Control(), s.log)
			return err
		},
		Run: func(stop, hard context.Context) error { return control.Serve(stop, hard) },
	})
}

// listen makes the server and opens its sockets, all of them or none.
func (s *service) listen(ctx context.Context, rules smtpd.Service) (err error) {
	if s.server, err = s.newServer(rules); err != nil {
		return err
	}
	for _, c := range s.config.Listen {
		l, err := listen.Open(ctx, c)
		if err != nil {
			for _, open := range s.sockets {
				open.Close()
			}
			return err
		}
		s.sockets = append(s.sockets, l)
		s.listeners = append(s.listeners, Listener{s.label, l.Addr().String(), note(c)})
	}
	return nil
}

func note(c listen.Config) string {
	var notes string
	switch {
	case c.Implicit():
		notes = " TLS"
	case c.TLS == "required":
		notes = " STARTTLS required"
	}
	if c.Proxied() {
		notes += " PROXY"
	}
	return notes
}

func (s *service) newServer(rules smtpd.Service) (*smtpd.Server, error) {
	store, own, err := s.certificates()
	if err != nil {
		return nil, err
	}
	profile := certs.Port25
	if s.name == SMTPOut {
		profile = certs.Submission
	}
	res, err := s.resolver()
	if err != nil {
		return nil, err
	}
	return smtpd.New(smtpd.Options{
		Name: s.name, Service: rules, Spool: s.store, Config: *s.config, Node: string(s.Self.Host),
		TLS: store, ListenerTLS: own, Profile: profile, Mynetworks: s.networks(), Postmaster: string(s.Cluster.Cluster), Resolver: res,
		Free: s.store.Free, Log: s.log, Metrics: s.registry,
	})
}

func (s *service) serve(stop, hard context.Context) error {
	failed := make(chan error, len(s.sockets))
	for i, l := range s.sockets {
		go func() { failed <- s.server.Serve(l, s.config.Listen[i]) }()
	}
	var err error
	select {
	case <-stop.Done():
	case err = <-failed:
	}
	return errors.Join(err, s.server.Shutdown(hard))
}

// networks are mynetworks as prefixes.
func (c *Config) networks() []netip.Prefix { return prefixes(c.Mynetworks) }

func prefixes(networks []config.Network) []netip.Prefix {
	out := make([]netip.Prefix, len(networks))
	for i, n := range networks {
		out[i] = n.Prefix
	}
	return out
}

// newQueue makes the scheduler over the open store.
func (s *service) newQueue(ctx context.Context, hop func(string) string) (err error) {
	s.queue, err = queue.New(ctx, s.delivery.Queue(queue.Options{Store: s.store, Destination: s.destination, NextHop: hop}))
	return err
}
