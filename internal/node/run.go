// SPDX-License-Identifier: MIT

package node

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strings"

	"posthouse/internal/admin"
	"posthouse/internal/daemon"
	"posthouse/table"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
)

// Options say which services run, and how.
type Options struct {
	Services        []string
	AllowUnenforced bool // start although a setting that protects something is not enforced yet
	Outside         bool // deliver to hosts found by MX; without it mail that no transport_maps entry routes waits
	Log             *slog.Logger
	Ready           func([]Listener) // called once everything listens
	Signals         <-chan os.Signal // nil: the process's own
}

// Listener is one door that is open.
type Listener struct{ Service, Address, Note string }

// ErrUnenforced means that the file asks for protection that this release does not give.
var ErrUnenforced = errors.New("settings that protect something are not enforced yet")

// process is one running posthouse: what its services share, and its parts in the order of their start.
type process struct {
	Options
	daemon    *daemon.Process
	registry  *prometheus.Registry
	first     *Cluster            // by which it started
	current   *snapshot           // in force; of the goroutine that starts and reloads
	watchers  chan *table.Watcher // the next one to follow
	services  []*service
	listeners []Listener
	ready     []func() error
}

// Run runs services of this node until ctx ends or a signal comes.
func (c *Cluster) Run(ctx context.Context, o Options) error {
	useProcessors()
	if err := c.enforceable(o); err != nil {
		return err
	}
	if _, err := daemon.RaiseFileLimit(); err != nil {
		o.Log.Warn("limit of open files not raised", "error", err)
	}
	p := &process{Options: o, registry: prometheus.NewRegistry(), watchers: make(chan *table.Watcher, 1)}
	p.registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	var err error
	if p.current, err = p.newSnapshot(c); err != nil {
		return err
	}
	p.first = c
	p.daemon = &daemon.Process{Log: o.Log, Reload: p.reload, Signals: o.Signals}
	p.addParts()
	return p.daemon.Run(ctx)
}

func (p *process) addParts() {
	p.addDovecot()
	for _, name := range p.Services {
		p.add(name)
	}
	p.watch(p.current.watcher)
	p.daemon.Add(daemon.Part{Name: "watcher", Run: p.follow})
	p.addAdmin()
	p.daemon.Add(daemon.Part{Name: "ready", Start: func(context.Context) error {
		if p.Ready != nil {
			p.Ready(p.listeners)
		}
		return nil
	}})
}

// enforceable names at every start what the file asks for and does not get, and refuses where that weakens a promise.
func (c *Cluster) enforceable(o Options) error {
	var weak []string
	for _, p := range c.document.Report().Problems {
		if !p.Unenforced || !c.concerns(o.Services, p.Path) {
			continue
		}
		o.Log.Warn("not enforced", "file", p.File, "line", p.Line, "setting", p.Path, "why", p.Message)
		if p.Weakens {
			weak = append(weak, fmt.Sprintf("%s:%d: %s: %s", p.File, p.Line, p.Path, p.Message))
		}
	}
	if len(weak) > 0 && !o.AllowUnenforced {
		return fmt.Errorf("%w:\n%s", ErrUnenforced, strings.Join(weak, "\n"))
	}
	return nil
}

// concerns reports that a path of the file is about one of these services, or about none in particular.
func (c *Cluster) concerns(services []string, path string) bool {
	if _, below, ok := strings.Cut(path, ".override."); ok {
		path = below // of this node: Load reads no other's
	}
	section, _, _ := strings.Cut(path, ".")
	return !known(section) || slices.Contains(services, section)
}

// add adds the parts of one service.
func (p *process) add(name string) {
	plan := map[string]func(*service, *snapshot) (*way, error){SMTPIn: planSMTPIn, SMTPOut: planSMTPOut, Maildrop: planMaildrop}[name]
	if plan == nil {
		p.Log.Warn("service does not run yet", "service", name)
		return
	}
	s := p.newService(name, plan)
	p.services = append(p.services, s)
	s.addParts()
}

// addAdmin opens the read-only HTTP side: the node's, or the one service's own.
func (p *process) addAdmin() {
	listen := p.current.Admin.Listen
	if len(p.services) == 1 {
		if own := p.current.sectionOf(p.services[0].name).admin; own != nil {
			listen = own.Listen
		}
	}
	if listen == "" {
		return
	}
	var server *admin.Server
	p.daemon.Add(daemon.Part{
		Name: "admin",
		Start: func(context.Context) (err error) {
			server, err = admin.NewServer(admin.Options{Listen: listen, Registry: p.registry, Ready: p.isReady, Log: p.Log})
			if err == nil {
				p.listeners = append(p.listeners, Listener{"admin", server.Addr().String(), " /metrics /healthz /readyz"})
			}
			return err
		},
		Run: func(stop, hard context.Context) error { return server.Serve(stop, hard) },
	})
}

// isReady is nil while every service takes work.
func (p *process) isReady() error {
	for _, ask := range p.ready {
		if err := ask(); err != nil {
			return err
		}
	}
	return nil
}
