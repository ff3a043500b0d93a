// SPDX-License-Identifier: MIT

package node

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"

	"posthouse/certs"
	"posthouse/config"
	"posthouse/delivery"
	"posthouse/internal/admin"
	"posthouse/internal/daemon"
	"posthouse/mail"
	"posthouse/queue"
	"posthouse/queue/pebbledb"
	"posthouse/smtpd"
	"posthouse/smtpin"
)

// service is one running SMTP service: a server in front, a queue, and deliveries behind. How it treats mail is its way,
// which a reload replaces.
type service struct {
	*process
	name   string // "smtp_in"
	label  string // "smtp-in", in logs, metrics and the file system
	dir    string // data_dir/label, as it was at the start
	log    *slog.Logger
	newWay func(*service, *snapshot) (*way, error)

	standing *standing
	way      atomic.Pointer[way]
	store    *pebbledb.Store
	queue    *queue.Queue
	depth    *depth
	manager  *delivery.Manager
	server   *smtpd.Server
	sockets  []net.Listener
}

// way is how a service treats mail, by one snapshot.
type way struct {
	section
	snapshot     *snapshot
	certificates *certs.Store                    // nil: none
	listenerTLS  map[config.Address]*certs.Store // of the listeners that have some of their own
	rules        smtpd.Service
	routes       *routes
	reportTo     func(mail.Recipient) []mail.Recipient // who gets reports to a sender; nil: he himself
	inForce      []func()                              // called when this way is taken
	outside      smtpin.Outside                        // of smtp-in, for explain
}

func (p *process) newService(name string, newWay func(*service, *snapshot) (*way, error)) *service {
	label := Label(name)
	s := &service{process: p, name: name, label: label, dir: p.current.dirOf(name), log: p.Log.With("service", label), newWay: newWay}
	s.standing = s.newStanding()
	return s
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
func (s *service) addParts() {
	s.daemon.Add(daemon.Part{Name: s.label + " queue", Start: s.openQueue, Run: s.watchStore, Close: s.closeQueue})
	s.daemon.Add(daemon.Part{
		Name:  s.label + " delivery",
		Start: s.startDelivery,
		Run:   func(stop, hard context.Context) error { return s.manager.Run(stop, hard) },
		Close: func() error { return s.way.Load().routes.close() },
	})
	s.addControl(s.label, s.current.ControlSocket(s.name), s.verbs)
	s.daemon.Add(daemon.Part{Name: s.label + " smtp", Start: s.listen, Run: s.serve, Close: s.closeSockets})
	s.ready = append(s.ready, func() error { return s.store.Err() })
}

// openQueue opens the store and the scheduler over it.
func (s *service) openQueue(ctx context.Context) error {
	section := s.current.sectionOf(s.name)
	if err := os.MkdirAll(s.dir, 0o700); err != nil {
		return err
	}
	store, err := pebbledb.Open(s.current.QueueDir(s.name), section.storeOptions(s.log))
	if err != nil {
		return fmt.Errorf("open the queue in %s: %w", s.dir, err)
	}
	q, err := queue.New(ctx, section.delivery.Queue(queue.Options{Store: store, Destination: destinationOf(s.name), NextHop: s.hop}))
	if err != nil {
		store.Close()
		return err
	}
	s.store, s.queue, s.depth = store, q, newDepth(s.name, store)
	if err := s.registry.Register(s.depth); err != nil {
		return errors.Join(err, s.closeQueue())
	}
	if err := s.standing.registry.Register(s.standing.failures); err != nil {
		return errors.Join(err, s.closeQueue())
	}
	if s.name == SMTPIn {
		if s.standing.metrics, err = smtpin.NewMetrics(s.registry); err != nil {
			return errors.Join(err, s.closeQueue())
		}
	}
	return nil
}

// storeOptions are the store's, by the section.
func (s section) storeOptions(log *slog.Logger) pebbledb.Options {
	return pebbledb.Options{Log: log, MessageLimit: int64(s.MessageSizeLimit), MinFree: s.MinFree()}
}

// hop is the queue's question at each claim: what counts as one next hop for concurrency.
func (s *service) hop(destination string) string { return s.way.Load().routes.hop(destination) }

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
	s.depth.close()
	s.queue.Close()
	return errors.Join(s.standing.close(), s.store.Close())
}

// open makes the service's way by a snapshot.
func (s *service) open(n *snapshot) (*way, error) {
	w, err := s.newWay(s, n)
	if err != nil {
		return nil, err
	}
	w.section, w.snapshot = n.sectionOf(s.name), n
	if w.certificates, w.listenerTLS, err = n.certificates(s.name); err != nil {
		_ = w.routes.close()
		return nil, err
	}
	if old := s.way.Load(); old != nil {
		w.keepListeners(old)
	}
	return w, nil
}

// take puts a way in force.
func (s *service) take(w *way) {
	for _, use := range w.inForce {
		use()
	}
	if old := s.way.Swap(w); old != nil {
		_ = old.routes.close() // its idle connections; what is under way goes on
	}
}

// startDelivery opens the first way, and makes the deliveries, which take the way in force each time.
func (s *service) startDelivery(context.Context) error {
	w, err := s.open(s.current)
	if err != nil {
		return err
	}
	s.take(w)
	s.manager = delivery.New(delivery.Options{
		Queue: s.queue, Upgrade: s.store.Upgrade, Service: s.label, Hostname: w.Hostname,
		Config: *w.delivery, Registry: s.registry, Log: s.log,
		Route: func(env *mail.Envelope, destination string) mail.Carrier {
			return s.way.Load().routes.route(env, destination)
		},
		Expand: s.expandReport,
	})
	return nil
}

func (s *service) expandReport(to mail.Recipient) []mail.Recipient {
	if expand := s.way.Load().reportTo; expand != nil {
		return expand(to)
	}
	return []mail.Recipient{to}
}

// verbs are the commands that the service takes.
func (s *service) verbs() map[string]admin.Handler {
	verbs := s.manager.Control()
	if s.name == SMTPIn {
		s.explainVerbs(verbs)
	}
	return verbs
}
