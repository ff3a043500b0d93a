// SPDX-License-Identifier: MIT

package milter

import (
	"context"
	"log/slog"
	"net"
	"sync"
	"time"

	"posthouse/mail"
	"posthouse/resolver"
	"posthouse/upstream"
)

// Options are what a chain needs from outside.
type Options struct {
	Resolver resolver.Resolver                                                    // for names of servers; nil: the dialer resolves them
	Dial     func(ctx context.Context, network, address string) (net.Conn, error) // nil: net.Dialer
	Hostname string                                                               // macros j and {daemon_name}
	Version  string                                                               // macro v: program and version; "": not told
	Spool    mail.Spool                                                           // takes replaced bodies; nil: no filter may replace any
	MaxBody  int64                                                                // octets of a replaced body [50 MiB]
	Log      *slog.Logger                                                         // nil: slog.Default
	Now      func() time.Time                                                     // nil: time.Now
	Failed   func(milter string)                                                  // hears of each failure of a filter; nil: nobody
}

func (o Options) withDefaults() *Options {
	if o.Dial == nil {
		o.Dial = new(net.Dialer).DialContext
	}
	if o.MaxBody == 0 {
		o.MaxBody = 50 << 20
	}
	if o.Log == nil {
		o.Log = slog.Default()
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return &o
}

// Chain is the filters of a service in their order. It is safe for use by many sessions at once.
type Chain struct{ filters []*filter }

// filter is one entry of the list.
type filter struct {
	Config
	*Options
	name   string
	group  *upstream.Group
	shunM  sync.Mutex
	turn   int
	shun   map[string]time.Time // addresses that failed lately, until when they are asked last
	chunks *sync.Pool           // of *[]byte, a chunk of a body each
}

// New makes a chain of the filters; nil, which asks nobody, if there are none.
func New(configs []Config, o Options) *Chain {
	if len(configs) == 0 {
		return nil
	}
	options, c := o.withDefaults(), &Chain{}
	chunks := &sync.Pool{New: func() any { b := make([]byte, maxChunk); return &b }}
	for _, config := range configs {
		c.filters = append(c.filters, &filter{
			Config: config, Options: options, name: config.name(), group: upstream.New(config.servers(), upstream.Options{Now: options.Now}),
			shun: map[string]time.Time{}, chunks: chunks,
		})
	}
	return c
}

// Connect begins the conversations with all filters in the background and returns at once. A nil Chain gives a nil Session,
// whose methods all go on. The filters are told of the client with its first MAIL, when its name is known.
func (c *Chain) Connect(_ *mail.Client) *Session {
	if c == nil {
		return nil
	}
	s := &Session{}
	for _, f := range c.filters {
		s.conversations = append(s.conversations, begin(f))
	}
	return s
}
