// SPDX-License-Identifier: MIT

// Package admin is the two doors an operator has into a running service.
//
// The first is HTTP, read-only and without a login, for monitoring: /metrics in Prometheus's format, /healthz (the process
// is alive) and /readyz (it takes work; if not, 503 and the reason). It belongs on a loopback or management address.
//
// The second is the control socket, for the command line: a unix socket whose rights (0600) are the login, in the service's
// own directory. One connection is one request, a line of JSON; the answer is any number of lines and a last one that says
// how it ended. Both doors are bounded in time, bytes and connections: an operator's broken script must not hurt the mail.
package admin

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Bounds of the HTTP side.
const (
	httpConnections = 64
	httpHeaderBytes = 8 << 10
	httpReadTimeout = 5 * time.Second
	httpTimeout     = 30 * time.Second
	scrapesAtOnce   = 4
	lastRequests    = time.Second // for connections whose request has not come yet, at the end
)

// Config is the `admin:` section.
type Config struct {
	Listen string `yaml:"listen"` // host:port; "": no HTTP
}

// Options of the HTTP side. Registry is required.
type Options struct {
	Listen   string
	Listener net.Listener // open already, in the place of Listen; the Server's from then on
	Registry *prometheus.Registry
	Ready    func() error // nil, or why no work is taken; must not block
	Log      *slog.Logger // nil: slog.Default
}

// Server is the HTTP side. Make it with NewServer.
type Server struct {
	http     http.Server
	listener *bounded
}

// NewServer binds the address, so that a port in use is known at the start. Serve answers.
func NewServer(o Options) (*Server, error) {
	l := o.Listener
	if l == nil {
		var err error
		if l, err = Listen(o.Listen); err != nil {
			return nil, err
		}
	}
	log := o.Log
	if log == nil {
		log = slog.Default()
	}
	return &Server{
		listener: newBounded(l, httpConnections),
		http: http.Server{
			Handler:           Pages(o),
			ReadHeaderTimeout: httpReadTimeout,
			ReadTimeout:       httpReadTimeout,
			WriteTimeout:      httpTimeout,
			IdleTimeout:       httpTimeout,
			MaxHeaderBytes:    httpHeaderBytes,
			ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelDebug),
		},
	}, nil
}

// Listen binds an address for a Server.
func Listen(address string) (net.Listener, error) {
	l, err := net.Listen("tcp", address)
	if err != nil {
		return nil, fmt.Errorf("admin.listen: %w", err)
	}
	return l, nil
}

// Addr is where it listens.
func (s *Server) Addr() net.Addr { return s.listener.Addr() }

// Serve answers until stop ends, and lets what is under way finish until hard ends. Who has been accepted is answered: net/http
// would close connections whose request it reads after the beginning of its Shutdown.
func (s *Server) Serve(stop, hard context.Context) error {
	done := make(chan error, 1)
	go func() { done <- s.http.Serve(s.listener) }()
	select {
	case err := <-done:
		return fmt.Errorf("admin: %w", err)
	case <-stop.Done():
	}
	_ = s.listener.Close()
	<-done
	s.http.SetKeepAlivesEnabled(false)
	s.listener.waitEmpty(hard, lastRequests)
	if err := s.http.Shutdown(hard); err != nil {
		return s.http.Close()
	}
	return nil
}

// Pages is the three pages, as Server has them.
func Pages(o Options) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(o.Registry, promhttp.HandlerOpts{
		MaxRequestsInFlight: scrapesAtOnce,
		Timeout:             httpTimeout / 2,
	}))
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, http.StatusOK, status{Status: "alive"})
	})
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		if err := ready(o.Ready); err != nil {
			answer(w, http.StatusServiceUnavailable, status{Status: "not ready", Reason: err.Error()})
			return
		}
		answer(w, http.StatusOK, status{Status: "ready"})
	})
	return mux
}

type status struct {
	Status string `json:"status"`
	Reason string `json:"reason,omitempty"`
}

// ready takes a question that panics as a no: red is the safe answer.
func ready(ask func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("readiness is unknown: %v", p)
		}
	}()
	if ask == nil {
		return nil
	}
	return ask()
}

func answer(w http.ResponseWriter, code int, s status) {
	body, err := json.Marshal(s)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(code)
	_, _ = w.Write(append(body, '\n')) // a client that left is no concern of ours
}
