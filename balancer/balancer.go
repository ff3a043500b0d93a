// SPDX-License-Identifier: MIT

package balancer

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/netip"

	"github.com/prometheus/client_golang/prometheus"

	"posthouse/balancer/loop"
	"posthouse/config"
	"posthouse/internal/admin"
	"posthouse/resolver"
)

// Options of a Balancer.
type Options struct {
	Config   Config
	Networks []netip.Prefix        // mynetworks: exempt from the limits of one client
	Resolver resolver.Resolver     // of the servers' names
	Dir      string                // base of relative paths
	State    string                // folder for what survives a restart; "": nothing does
	Log      *slog.Logger          // nil: slog.Default
	Registry prometheus.Registerer // nil: no metrics
	Loop     loop.Options
}

// Balancer runs the services of one process.
type Balancer struct{}

// Info is what the process that takes a session over needs to know beside loop.Transfer.
type Info struct {
	Client  netip.AddrPort `json:"client"`            // as it was announced, or the peer
	Server  string         `json:"server"`            // as configured: "host:port", unix:/path
	Address netip.AddrPort `json:"address"`           // of the server; zero for a unix socket
	Limited bool           `json:"limited,omitempty"` // counts for client_connection_count_limit
}

// New opens files, looks names up and makes the groups. It opens no socket of a service.
func New(o Options) (*Balancer, error) { return nil, errors.ErrUnsupported }

// Serve accepts from the i-th listener of a service, by a descriptor of its own. It does not wait.
func (b *Balancer) Serve(service string, i int, l net.Listener) error { return errors.ErrUnsupported }

// Run checks servers, asks names again and follows files until stop ends, then waits for the sessions until hard ends and
// cuts what is left.
func (b *Balancer) Run(stop, hard context.Context) error { return errors.ErrUnsupported }

// Reload takes over another configuration, all of it or nothing. Sessions keep what they began with; servers keep their
// state. Listeners stay as they are until a restart or an upgrade.
func (b *Balancer) Reload(o Options) error { return errors.ErrUnsupported }

// Verbs are the commands for the control socket: balancer.status, balancer.drain and balancer.undrain.
func (b *Balancer) Verbs() map[string]admin.Handler { return nil }

// Ready is nil, or why clients cannot be served. It does not block.
func (b *Balancer) Ready() error { return errors.ErrUnsupported }

// Surrender closes the doors and gives every session to another process, once it is established. An error of give leaves
// that session here.
func (b *Balancer) Surrender(ctx context.Context, give func(loop.Transfer, Info) error) error {
	return errors.ErrUnsupported
}

// Adopt takes a session from another process. The descriptors are the balancer's afterwards, also when it fails. A service
// or server that is not in the configuration any more is no reason to refuse.
func (b *Balancer) Adopt(t loop.Transfer, i Info) error { return errors.ErrUnsupported }

// Drained is what has been drained, in words for SetDrained alone.
func (b *Balancer) Drained() []string { return nil }

// SetDrained drains what another process's Drained has named, and nothing else.
func (b *Balancer) SetDrained(drained []string) error { return errors.ErrUnsupported }

// Arguments of balancer.status, balancer.drain and balancer.undrain.
type Arguments struct {
	Service string `json:"service,omitempty"` // "": all
	Server  string `json:"server,omitempty"`  // "host:port" as configured, a host, or one address
}

var _ config.Validator = (*Service)(nil)
