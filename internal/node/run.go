// SPDX-License-Identifier: MIT

package node

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
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
	TakeOver        bool                      // from the balancer that runs: its listeners and sessions
	Successor       func() (*exec.Cmd, error) // this program once more, to take over from it; nil: it cannot
	Ready           func([]Listener)          // called once everything listens
	Signals         <-chan os.Signal          // nil: the process's own
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
	services  []runner
	listeners []Listener
	ready     []func() error
	ports     sockets
	handed    context.Context // ends when another process has taken over
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
	ctx, leave := context.WithCancel(ctx)
	defer leave()
	handed, handedOver := context.WithCancel(context.Background())
	defer handedOver()
	p.handed = handed
	if err := p.addParts(handedOver, leave); err != nil {
		return err
	}
	return p.daemon.Run(ctx)
}

// addParts adds all, in the order of their start. HandedOver is called when another process has taken over, and leave when
// nothing is left to give to it.
func (p *process) addParts(handedOver, leave func()) error {
	upgrade := &succession{process: p, handedOver: handedOver, leave: leave}
	if err := upgrade.begin(); err != nil {
		return err
	}
	p.addDovecot()
	for _, name := range p.Services {
		p.add(name)
	}
	p.watch(p.current.watcher)
	p.daemon.Add(daemon.Part{Name: "watcher", Run: p.follow})
	p.addAdmin()
	upgrade.addPart()
	for _, r := range p.services {
		if b, ok := r.(*balancing); ok {
			p.daemon.Add(daemon.Part{Name: Balancer + " doors", Start: b.accept})
		}
	}
	p.daemon.Add(daemon.Part{Name: "ready", Start: func(context.Context) error {
		if p.Ready != nil {
			p.Ready(p.listeners)
		}
		return nil
	}})
	return nil
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
	if name == Balancer {
		b := p.newBalancing()
		p.services = append(p.services, b)
		b.addParts()
		return
	}
	way := map[string]func(*service, *snapshot) (*way, error){SMTPIn: planSMTPIn, SMTPOut: planSMTPOut, Maildrop: planMaildrop}[name]
	s := p.newService(name, way)
	p.services = append(p.services, s)
	s.addParts()
}

// addAdmin opens the read-only HTTP side: the node's, or the one service's own.
func (p *process) addAdmin() {
	listen := p.current.Admin.Listen
	if len(p.services) == 1 {
		if own := p.services[0].admin(p.current.Cluster); own != nil {
			listen = own.Listen
		}
	}
	if listen == "" {
		return
	}
	var server *admin.Server
	p.daemon.Add(daemon.Part{
		Name: "admin",
		Start: func(context.Context) error {
			l, err := p.ports.adminPort(listen)
			if err != nil {
				return err
			}
			server, err = admin.NewServer(admin.Options{Listener: l, Registry: p.registry, Ready: p.isReady, Log: p.Log})
			if err == nil {
				p.listeners = append(p.listeners, Listener{"admin", server.Addr().String(), " /metrics /healthz /readyz"})
			}
			return err
		},
		Run: func(stop, hard context.Context) error {
			stop, release := p.orHanded(stop)
			defer release()
			return server.Serve(stop, hard)
		},
	})
}

// addControl opens the control socket of a service.
func (p *process) addControl(label, path string, verbs func() map[string]admin.Handler) {
	var control *admin.Control
	served := false
	p.daemon.Add(daemon.Part{
		Name: label + " control",
		Start: func(context.Context) error {
			l, err := p.ports.private("unix", path)
			if err != nil {
				return fmt.Errorf("control socket %s: %w", path, err)
			}
			control = admin.NewControl(l, verbs(), p.Log.With("service", label))
			return nil
		},
		Run: func(stop, hard context.Context) error {
			served = true
			stop, release := p.orHanded(stop)
			defer release()
			return control.Serve(stop, hard)
		},
		Close: func() error {
			if served { // then it has closed itself
				return nil
			}
			return control.Close()
		},
	})
}

// orHanded is stop, and ends with it or when another process has taken over.
func (p *process) orHanded(stop context.Context) (ctx context.Context, release func()) {
	ctx, cancel := context.WithCancel(stop)
	detach := context.AfterFunc(p.handed, cancel)
	return ctx, func() { detach(); cancel() }
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
