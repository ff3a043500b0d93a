// SPDX-License-Identifier: MIT

package node

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"sync"

	"posthouse/balancer"
	"posthouse/balancer/handover"
	"posthouse/internal/admin"
	"posthouse/internal/daemon"
)

// balancing is the running balancer: its listeners in front, and no queue.
type balancing struct {
	*process
	dir string // data_dir/balancer, as it was at the start
	log *slog.Logger

	balancer *balancer.Balancer
	doors    []door
	turn     sync.RWMutex // one hand-over, or any number of commands
	over     bool         // another process has taken over: commands are its matter
}

// door is an open listener of a service of the balancer: the i-th of its section.
type door struct {
	service string
	i       int
	net.Listener
}

func (p *process) newBalancing() *balancing {
	return &balancing{process: p, dir: p.current.dirOf(Balancer), log: p.Log.With("service", Balancer)}
}

// addParts adds the balancer's parts in the order of their start.
func (b *balancing) addParts() {
	ran := false
	b.daemon.Add(daemon.Part{Name: Balancer, Start: b.create, Close: func() error {
		if ran { // then it has ended itself
			return nil
		}
		return b.balancer.Close()
	}})
	b.addControl(Balancer, b.current.ControlSocket(Balancer), b.verbs)
	b.daemon.Add(daemon.Part{
		Name:  Balancer + " listeners",
		Start: b.listen,
		Run: func(stop, hard context.Context) error {
			ran = true
			release := context.AfterFunc(stop, func() { _ = b.closeSockets() })
			defer release()
			return b.balancer.Run(stop, hard)
		},
		Close: b.closeSockets,
	})
	b.ready = append(b.ready, func() error { return b.balancer.Ready() })
}

// create opens what the file names.
func (b *balancing) create(context.Context) (err error) {
	if err := os.MkdirAll(b.dir, 0o700); err != nil {
		return err
	}
	b.balancer, err = balancer.New(b.options(b.current))
	return err
}

// options are the balancer's by a snapshot.
func (b *balancing) options(n *snapshot) balancer.Options {
	return balancer.Options{
		Config: n.Balancer, Networks: n.networks(), Resolver: n.names, Hello: string(n.Self.Host), Dir: n.document.Root().Dir(),
		State: b.dir, Watch: watchInterval, Log: b.log, Registry: b.registry,
	}
}

// listen opens the sockets of all services, or none.
func (b *balancing) listen(ctx context.Context) error {
	for _, service := range sortedKeys(b.current.Balancer) {
		for i, c := range b.current.Balancer[service].Listen {
			l, err := b.ports.door(ctx, c)
			if err != nil {
				return errors.Join(fmt.Errorf("%s: %w", service, err), b.closeSockets())
			}
			b.doors = append(b.doors, door{service, i, l})
			b.listeners = append(b.listeners, Listener{service, doorName(l), note(c)})
		}
	}
	return nil
}

// accept lets clients in. It comes after all that may fail, and after the word of a process before this one: whom a process
// accepts that then ends is cut.
func (b *balancing) accept(context.Context) error {
	for _, d := range b.doors {
		if err := b.balancer.Serve(d.service, d.i, d.Listener); err != nil {
			return fmt.Errorf("%s: %w", d.service, err)
		}
	}
	return nil
}

// closeSockets closes those of this process, also twice. The balancer has descriptors of its own.
func (b *balancing) closeSockets() error {
	var errs []error
	for _, l := range b.doors {
		if err := l.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// errTakenOver is what a command hears in the moment of a hand-over.
var errTakenOver = errors.New("another process is taking over from this one: ask again")

// verbs are the balancer's commands. None of them changes anything once another process has been told how things are.
func (b *balancing) verbs() map[string]admin.Handler {
	verbs := b.balancer.Verbs()
	for name, handler := range verbs {
		verbs[name] = func(ctx context.Context, args json.RawMessage, reply func(any) error) error {
			b.turn.RLock()
			defer b.turn.RUnlock()
			if b.over {
				return errTakenOver
			}
			return handler(ctx, args, reply)
		}
	}
	return verbs
}

// yield calls give, which tells another process how the servers stand, while no command runs; none runs after it.
func (b *balancing) yield(give func(handover.Standing) error) error {
	b.turn.Lock()
	defer b.turn.Unlock()
	err := give(handover.Standing{Drained: b.balancer.Drained(), Unwell: b.balancer.Unwell()})
	b.over = err == nil
	return err
}

// balancingChange is a reload of the balancer, which opens and takes in one step.
type balancingChange struct {
	*balancing
	next *snapshot
}

func (b *balancing) plan(n *snapshot) (change, error) {
	if !n.has(Balancer) {
		return nil, errors.New("the balancer runs, and its section is gone from the file")
	}
	return &balancingChange{b, n}, nil
}

func (c *balancingChange) try() error {
	if err := c.balancer.Reload(c.options(c.next)); err != nil {
		return fmt.Errorf("balancer: %w", err)
	}
	return nil
}

// undo goes back to what was in force, of which no more than a file can have gone meanwhile.
func (c *balancingChange) undo() {
	if err := c.balancer.Reload(c.options(c.current)); err != nil {
		c.log.Error("the reload was refused, but the balancer could not go back", "error", err)
	}
}

func (c *balancingChange) take()    {}
func (c *balancingChange) discard() {}

// restart names nothing: which listeners do not follow a reload the balancer says itself.
func (b *balancing) restart(*Cluster, *Cluster, func(setting string, a, b any)) {}

func (b *balancing) admin(*Cluster) *admin.Config { return nil }
