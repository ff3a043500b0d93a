// SPDX-License-Identifier: MIT

package resolver

import (
	"context"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/miekg/dns"
	"golang.org/x/sync/singleflight"
)

// Options of a Client. The zero value asks the system's servers.
type Options struct {
	Servers    []string         // addresses, port 53 if none is given, at most 3; none: those of ResolvConf
	ResolvConf string           // [/etc/resolv.conf]
	Timeout    time.Duration    // of one try at one server [3s]; each server is tried twice
	CacheSize  int              // octets of answers remembered [8 MiB]
	Now        func() time.Time // [time.Now]
}

// Client is a Resolver that asks recursive servers. It is safe for use by many at once: equal questions asked at the same
// time are sent once.
type Client struct {
	lookups
	servers []server
	timeout time.Duration
	cache   *cache
	flight  singleflight.Group
}

// server is one address; trusted ones may vouch for DNSSEC.
type server struct {
	addr    string
	trusted bool
}

// tries is how often each server is asked before the question is given up.
const tries = 2

// New makes a Client. It sends nothing yet.
func New(o Options) (*Client, error) {
	o = o.defaults()
	c := &Client{timeout: o.Timeout, cache: newCache(o.CacheSize, o.Now)}
	c.lookups = lookups{c.answer}
	if len(o.Servers) > maxServers {
		return nil, fmt.Errorf("resolver: at most %d servers are asked", maxServers)
	}
	for _, s := range o.Servers {
		ap, err := serverAddr(s)
		if err != nil {
			return nil, fmt.Errorf("resolver: %w", err)
		}
		c.servers = append(c.servers, server{ap.String(), ap.Addr().IsLoopback()})
	}
	return c, nil
}

func (o Options) defaults() Options {
	if o.ResolvConf == "" {
		o.ResolvConf = "/etc/resolv.conf"
	}
	if len(o.Servers) == 0 {
		o.Servers = systemServers(o.ResolvConf)
	}
	if o.Timeout <= 0 {
		o.Timeout = 3 * time.Second
	}
	if o.CacheSize <= 0 {
		o.CacheSize = 8 << 20
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return o
}

// answer is from the cache, or waits for the servers as long as ctx allows. The exchange itself goes on without the one
// who asked first: others may wait for it, and the cache gains either way.
func (c *Client) answer(ctx context.Context, q question) (Answer, error) {
	if a, ok := local(q); ok {
		return a, nil
	}
	if known, ok := c.cache.get(q); ok {
		return known.answer, known.err
	}
	if err := ctx.Err(); err != nil {
		return Answer{}, q.fail(err)
	}
	done := c.flight.DoChan(fmt.Sprint(q.rrtype, q.name), func() (any, error) {
		f := c.exchange(q)
		c.cache.put(q, f)
		return f, nil
	})
	select {
	case r := <-done:
		f := r.Val.(finding)
		return f.answer, f.err
	case <-ctx.Done():
		return Answer{}, q.fail(ctx.Err())
	}
}

// local answers for localhost, which is never asked of a server (RFC 6761 6.3).
func local(q question) (Answer, bool) {
	if q.name != "localhost." && !strings.HasSuffix(q.name, ".localhost.") {
		return Answer{}, false
	}
	h := dns.RR_Header{Name: q.name, Rrtype: q.rrtype, Class: dns.ClassINET}
	switch q.rrtype {
	case dns.TypeA:
		four := netip.AddrFrom4([4]byte{127, 0, 0, 1})
		return Answer{Records: []dns.RR{&dns.A{Hdr: h, A: four.AsSlice()}}, Name: q.name, TTL: maxTTL}, true
	case dns.TypeAAAA:
		return Answer{Records: []dns.RR{&dns.AAAA{Hdr: h, AAAA: netip.IPv6Loopback().AsSlice()}}, Name: q.name, TTL: maxTTL}, true
	}
	return Answer{}, false
}
