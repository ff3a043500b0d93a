// SPDX-License-Identifier: MIT

package resolver

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/miekg/dns"
)

// Resolver is what the packages above ask. Names are A-labels, with or without the final dot; returned names are lower-case
// without it. An error is one of NotFound, NoData and Temporary; without an error there is at least one record.
type Resolver interface {
	MX(ctx context.Context, domain string) ([]MX, error)
	Addrs(ctx context.Context, host string) ([]netip.Addr, error) // A and AAAA
	TXT(ctx context.Context, name string) ([]string, error)       // one string a record, its parts joined
	PTR(ctx context.Context, addr netip.Addr) ([]string, error)
	Ask(ctx context.Context, name string, rrtype uint16) (Answer, error)
}

// MX is one mail exchanger. Host is "" in a null MX (RFC 7505), the root as its exchanger.
type MX struct {
	Preference uint16
	Host       string
}

// Answer is the records of one type. They are shared: not to be changed.
type Answer struct {
	Records   []dns.RR
	Name      string        // where the records stand, after CNAMEs; lower-case, with the final dot
	Authentic bool          // a validating server on this machine vouches for all of it
	TTL       time.Duration // for how long from now it holds: the least of its records and of the CNAMEs on the way, and a second at least; 0: nobody knows
}

// What a name that gave no records is.
var (
	ErrNotFound = errors.New("no such name")             // NXDOMAIN
	ErrNoData   = errors.New("no record of that type")   // NODATA
	errLoop     = errors.New("CNAME chain is too long")  // 8 links
	errName     = errors.New("not a name the DNS takes") // wrapped together with ErrNotFound
)

// NotFound reports that the name does not exist.
func NotFound(err error) bool { return errors.Is(err, ErrNotFound) }

// NoData reports that the name exists, without records of the type.
func NoData(err error) bool { return errors.Is(err, ErrNoData) }

// Temporary reports that nothing was learnt: the question has to be asked again.
func Temporary(err error) bool { return err != nil && !NotFound(err) && !NoData(err) }

// question is what an answer is remembered under. The name is canonical: lower-case, with the final dot.
type question struct {
	name   string
	rrtype uint16
}

func newQuestion(name string, rrtype uint16) (question, error) {
	q := question{dns.CanonicalName(name), rrtype}
	if _, ok := dns.IsDomainName(q.name); !ok || name == "" || !printable(name) {
		return q, fmt.Errorf("look up %q: %w: %w", name, ErrNotFound, errName)
	}
	return q, nil
}

func printable(s string) bool {
	for _, c := range []byte(s) {
		if c <= ' ' || c > '~' {
			return false
		}
	}
	return true
}

func (q question) fail(err error) error {
	return fmt.Errorf("look up %s of %s: %w", dns.TypeToString[q.rrtype], q.name, err)
}
