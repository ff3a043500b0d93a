// SPDX-License-Identifier: MIT

package resolver

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/miekg/dns"
)

// finding is what an exchange taught and how long that holds; octets is what it costs to remember.
type finding struct {
	answer Answer
	err    error
	ttl    time.Duration
	octets int
}

// Bounds on what servers may ask us to believe. A failure is remembered for a moment (RFC 9520 3.2), so that a dead
// domain with much mail does not keep all its senders waiting for the same time-outs.
const (
	maxTTL      = time.Hour
	maxNegative = 15 * time.Minute
	failureTTL  = 5 * time.Second
	udpSize     = 1232 // fits every path (dnsflagday.net/2020)
)

// exchange asks one server after the other until one knows.
func (c *Client) exchange(q question) finding {
	var tried failures
	for range tries {
		for _, s := range c.servers {
			msg, err := c.askServer(s, q)
			if err == nil {
				return read(q, msg, s.trusted)
			}
			tried = append(tried, fmt.Errorf("server %s: %w", s.addr, err))
		}
	}
	return finding{err: q.fail(tried), ttl: failureTTL, octets: 512}
}

// failures are those of all tries, in one line.
type failures []error

func (f failures) Error() string {
	var b strings.Builder
	for i, err := range f {
		if i > 0 {
			b.WriteString("; ")
		}
		b.WriteString(err.Error())
	}
	return b.String()
}

func (f failures) Unwrap() []error { return f }

// askServer puts the question over UDP, and over TCP if the answer did not fit. Old servers that stumble over EDNS
// (RFC 6891 7) are asked without it.
func (c *Client) askServer(s server, q question) (*dns.Msg, error) {
	msg, err := c.roundTrip("udp", s, request(q, true))
	if err == nil && (msg.Rcode == dns.RcodeFormatError || msg.Rcode == dns.RcodeNotImplemented) {
		msg, err = c.roundTrip("udp", s, request(q, false))
	}
	if err == nil && msg.Truncated {
		msg, err = c.roundTrip("tcp", s, request(q, true))
	}
	if err != nil {
		return nil, err
	}
	if msg.Rcode != dns.RcodeSuccess && msg.Rcode != dns.RcodeNameError {
		return nil, errors.New(dns.RcodeToString[msg.Rcode])
	}
	return msg, nil
}

func request(q question, edns bool) *dns.Msg {
	m := new(dns.Msg)
	m.SetQuestion(q.name, q.rrtype)
	m.AuthenticatedData = true // tell me what you validated (RFC 6840 5.7)
	if edns {
		m.SetEdns0(udpSize, false)
	}
	return m
}

// roundTrip opens a socket for each question: a fresh random port is half of what protects UDP against forgery.
func (c *Client) roundTrip(network string, s server, m *dns.Msg) (*dns.Msg, error) {
	ctx, cancel := context.WithTimeout(context.Background(), c.timeout)
	defer cancel()
	client := dns.Client{Net: network, Timeout: c.timeout, UDPSize: udpSize}
	in, _, err := client.ExchangeContext(ctx, m, s.addr)
	if err != nil {
		return nil, err
	}
	if !answers(m, in) {
		return nil, errors.New("the answer is to another question")
	}
	return in, nil
}

func answers(m, in *dns.Msg) bool {
	if !in.Response || len(in.Question) != 1 {
		return false
	}
	a, b := m.Question[0], in.Question[0]
	return a.Qtype == b.Qtype && a.Qclass == b.Qclass && dns.CanonicalName(b.Name) == a.Name
}

// read takes the finding out of a message that a server answers for.
func read(q question, msg *dns.Msg, trusted bool) finding {
	f := finding{octets: msg.Len() + 256, ttl: maxTTL}
	records, name, ttl, err := follow(q, msg.Answer)
	switch {
	case err != nil:
		f.err, f.ttl = q.fail(err), failureTTL
	case len(records) > 0:
		f.ttl = min(f.ttl, ttl)
		f.answer = Answer{records, name, trusted && msg.AuthenticatedData, max(f.ttl, time.Second)}
	default:
		f.err, f.ttl = q.fail(ErrNoData), min(ttl, negativeTTL(msg))
		if msg.Rcode == dns.RcodeNameError {
			f.err = q.fail(ErrNotFound)
		}
	}
	return f
}

// negativeTTL is the lesser of the SOA's TTL and its minimum (RFC 2308 5). Without a SOA nothing may be remembered.
func negativeTTL(msg *dns.Msg) time.Duration {
	for _, rr := range msg.Ns {
		if soa, ok := rr.(*dns.SOA); ok {
			return min(seconds(soa.Hdr.Ttl), seconds(soa.Minttl), maxNegative)
		}
	}
	return 0
}

func seconds(n uint32) time.Duration { return time.Duration(n) * time.Second }
