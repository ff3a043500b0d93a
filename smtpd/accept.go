// SPDX-License-Identifier: MIT

package smtpd

import (
	"net"
	"syscall"

	"posthouse/internal/listen"
	"posthouse/reply"
	"posthouse/smtpd/guard"
)

// acceptor hands guarded connections to go-smtp. Nothing in Accept may wait for a client.
type acceptor struct {
	net.Listener
	server *Server
	config listen.Config
	o      *Options       // of the connection before
	guard  *guard.Options // made from them
}

// Accept is go-smtp's source of connections.
func (a *acceptor) Accept() (net.Conn, error) {
	for {
		raw, err := a.Listener.Accept()
		if err != nil {
			return nil, err
		}
		a.refresh()
		c := newConn(a.server, a.o, &a.config)
		c.guard = guard.New(raw, a.guard, c)
		if a.server.enter(c) {
			a.server.metrics.connections.Inc()
			return c.guard, nil
		}
		c.cancel()
		a.turnAway(raw)
	}
}

// refresh takes over what a Reload changed; go-smtp calls Accept from one goroutine.
func (a *acceptor) refresh() {
	o := a.server.options.Load()
	if o == a.o {
		return
	}
	g, err := o.guardOptions(a.config)
	if err != nil {
		return // Reload has refused such options
	}
	a.o, a.guard = o, g
}

// turnAway refuses a connection above max_connections. A new socket's buffer is empty: the write does not wait.
func (a *acceptor) turnAway(raw net.Conn) {
	a.server.metrics.refused.WithLabelValues("max_connections").Inc()
	a.o.Log.Warn("connection refused", "reason", "max_connections", "client", raw.RemoteAddr().String())
	if !a.config.Implicit() {
		_, _ = raw.Write([]byte(reply.TooManyConns.String() + "\r\n"))
	}
	_ = raw.Close()
}

// filesPerConnection is what a transaction may hold: the socket, a draft, a filter.
const filesPerConnection = 3

// connectionsFromFiles derives max_connections from RLIMIT_NOFILE and leaves a share to queue and delivery.
func connectionsFromFiles() int {
	var l syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &l); err != nil {
		return 256
	}
	return int(min(max(l.Cur/filesPerConnection, 64), 100_000))
}
