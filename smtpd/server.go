// SPDX-License-Identifier: MIT

package smtpd

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/emersion/go-smtp"
	"github.com/prometheus/client_golang/prometheus"

	"posthouse/certs"
	"posthouse/config"
	"posthouse/internal/listen"
	"posthouse/limit"
	"posthouse/mail"
	"posthouse/smtpd/guard"
)

// Options of a Server. Service, Spool and Config are required.
type Options struct {
	Name    string // of the service, in metrics: "smtp_in"
	Service Service
	Spool   mail.Spool // of the queue, so that a message is written once
	Config  Config     // validated
	Node    string     // the machine's own name, in parentheses behind the hostname; "" none

	TLS         *certs.Store                    // nil: no STARTTLS
	ListenerTLS map[config.Address]*certs.Store // in place of TLS, for each listener with certificates of its own
	Profile     certs.Profile
	PlainAuth   bool // AUTH without TLS: only for tests and sockets that nobody else can reach

	Mynetworks []netip.Prefix         // exempt from limits
	Postmaster string                 // domain of <postmaster>, of postmaster@hostname and postmaster@node; "" leaves them alone
	Resolver   Resolver               // nil: clients have no names
	Free       func(size int64) error // asked at MAIL with SIZE, 0 if not given: reply.DiskFull, or nil; nil: always room

	Log     *slog.Logger          // nil: discards
	Metrics prometheus.Registerer // nil: none
	Now     func() time.Time      // nil: time.Now
}

// Server is one SMTP service on any number of listeners.
type Server struct {
	options atomic.Pointer[Options] // in force for the next connection
	metrics *metrics

	clients  *limit.Gauge
	rates    *limit.Counter
	messages *limit.Counter
	failures *limit.Counter // wrong passwords
	lookups  chan struct{}  // one token a PTR look-up under way
	maximum  int

	ctx    context.Context // of all connections; ends when they must
	cancel context.CancelFunc

	mu        sync.Mutex
	conns     map[*conn]struct{}
	listeners map[net.Listener]listen.Config
	stopping  bool
	gone      chan struct{} // closed when stopping and the last connection has ended
}

const (
	rateWindow  = time.Minute
	rateClients = 100_000 // clients remembered in a window
	maxLookups  = 256
)

// New makes a Server. It does not listen yet.
func New(o Options) (*Server, error) {
	if o.Service == nil || o.Spool == nil || o.Config.Hostname == "" {
		return nil, errors.New("smtpd needs a Service, a Spool and a hostname")
	}
	o.complete()
	s := &Server{
		clients:   &limit.Gauge{},
		rates:     limit.New(limit.Options{Window: rateWindow, Max: rateClients, Now: o.Now}),
		messages:  limit.New(limit.Options{Window: rateWindow, Max: rateClients, Now: o.Now}),
		failures:  limit.New(limit.Options{Window: rateWindow, Max: rateClients, Now: o.Now}),
		lookups:   make(chan struct{}, maxLookups),
		conns:     make(map[*conn]struct{}),
		listeners: make(map[net.Listener]listen.Config),
		gone:      make(chan struct{}),
	}
	s.use(&o)
	m, err := newMetrics(o.Name, s.expiry(), o.Metrics)
	if err != nil {
		return nil, fmt.Errorf("smtpd metrics: %w", err)
	}
	s.metrics = m
	s.ctx, s.cancel = context.WithCancel(context.Background())
	return s, nil
}

func (o *Options) complete() {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Free == nil {
		o.Free = func(int64) error { return nil }
	}
}

// use puts options in force.
func (s *Server) use(o *Options) {
	maximum := o.Config.MaxConnections
	if maximum == 0 {
		maximum = connectionsFromFiles()
	}
	s.mu.Lock()
	s.maximum = maximum
	s.mu.Unlock()
	s.options.Store(o)
}

// Serve takes connections from l until Shutdown, which makes it return nil. It closes l.
func (s *Server) Serve(l net.Listener, c listen.Config) error {
	defer l.Close()
	if !s.register(l, c) {
		return nil
	}
	defer s.unregister(l)
	o := s.options.Load()
	g, err := o.guardOptions(c)
	if err != nil {
		return err
	}
	err = s.machine(o).Serve(&acceptor{Listener: l, server: s, config: c, o: o, guard: g})
	if s.isStopping() {
		return nil
	}
	return err
}

// machine is go-smtp without anything that the guard or the frame does itself: no limits, time-outs, TLS or chunks.
func (s *Server) machine(options *Options) *smtp.Server {
	m := smtp.NewServer(smtp.BackendFunc(func(c *smtp.Conn) (smtp.Session, error) {
		return session{c.Conn().(*guard.Conn).Owner().(*conn)}, nil
	}))
	m.Domain = options.Config.Hostname
	m.MaxLineLength = 0
	m.AllowInsecureAuth = true
	m.EnableSMTPUTF8, m.EnableREQUIRETLS, m.EnableDSN = true, true, true
	m.ErrorLog = machineLog{options.Log}
	return m
}

func (o *Options) guardOptions(c listen.Config) (*guard.Options, error) {
	f := o.Config
	g := &guard.Options{
		Hostname: f.Hostname, Node: o.Node,
		Implicit: c.Implicit(), RequireTLS: c.TLS == "required",
		Drain: int64(f.MessageSizeLimit), Errors: f.ErrorLimit, AuthErrors: f.AuthErrorLimit,
		Command: time.Duration(f.CommandTimeout), Data: time.Duration(f.DataTimeout), Rate: f.DataRate,
	}
	g.Complete()
	store, err := o.certificates(c)
	if store != nil {
		g.TLS = store.Server(profile(c.TLSProfile, o.Profile))
	}
	return g, err
}

// machineLog is go-smtp's ErrorLog. Behind the guard it has one thing to say: that no more connections can be accepted.
type machineLog struct{ log *slog.Logger }

func (l machineLog) Printf(format string, v ...any) {
	l.log.Warn("go-smtp", "message", fmt.Sprintf(format, v...))
}

func (l machineLog) Println(v ...any) { l.log.Warn("go-smtp", "message", fmt.Sprint(v...)) }
