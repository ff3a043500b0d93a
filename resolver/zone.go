// SPDX-License-Identifier: MIT

package resolver

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/miekg/dns"
)

// Zone is a Resolver that knows the names of one master file and asks nobody. Names above those in the file exist, without
// records (RFC 8020); wildcards work (RFC 4592); every other name is NotFound.
type Zone struct {
	lookups
	names map[string]map[uint16][]dns.RR
}

// maxZone bounds the file, in octets.
const maxZone = 16 << 20

// LoadZone reads a master file (RFC 1035 5). Names without a final dot are below $ORIGIN, and below the root without one.
func LoadZone(path string) (*Zone, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("zone file: %w", err)
	}
	defer f.Close()
	return readZone(io.LimitReader(f, maxZone), path)
}

// ParseZone is LoadZone for a text.
func ParseZone(text string) (*Zone, error) { return readZone(strings.NewReader(text), "zone") }

func readZone(r io.Reader, file string) (*Zone, error) {
	z := &Zone{names: make(map[string]map[uint16][]dns.RR)}
	z.lookups = lookups{z.answer}
	p := dns.NewZoneParser(r, ".", file)
	p.SetDefaultTTL(300)
	for rr, ok := p.Next(); ok; rr, ok = p.Next() {
		if err := z.add(rr); err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
	}
	if err := p.Err(); err != nil {
		return nil, err
	}
	return z, nil
}

func (z *Zone) add(rr dns.RR) error {
	h := rr.Header()
	name := dns.CanonicalName(h.Name)
	at := z.name(name)
	at[h.Rrtype] = append(at[h.Rrtype], rr)
	if cnames := len(at[dns.TypeCNAME]); cnames > 1 || cnames == 1 && len(at) > 1 {
		return fmt.Errorf("%s: a CNAME stands alone at its name (RFC 1034 3.6.2)", name)
	}
	for off, end := dns.NextLabel(name, 0); !end; off, end = dns.NextLabel(name, off) {
		z.name(name[off:])
	}
	return nil
}

func (z *Zone) name(name string) map[uint16][]dns.RR {
	at := z.names[name]
	if at == nil {
		at = make(map[uint16][]dns.RR)
		z.names[name] = at
	}
	return at
}

func (z *Zone) answer(ctx context.Context, q question) (Answer, error) {
	if err := ctx.Err(); err != nil {
		return Answer{}, q.fail(err)
	}
	name, ttl := q.name, maxTTL
	for range maxChain {
		at, ok := z.find(name)
		if !ok {
			return Answer{}, q.fail(ErrNotFound)
		}
		if records := at[q.rrtype]; len(records) > 0 {
			return Answer{Records: records, Name: name, TTL: max(least(ttl, records), time.Second)}, nil
		}
		cname := at[dns.TypeCNAME]
		if len(cname) == 0 {
			return Answer{}, q.fail(ErrNoData)
		}
		ttl = least(ttl, cname)
		name = dns.CanonicalName(cname[0].(*dns.CNAME).Target)
	}
	return Answer{}, q.fail(errLoop)
}

// least is the least TTL of the records, and of what is given.
func least(ttl time.Duration, records []dns.RR) time.Duration {
	for _, rr := range records {
		ttl = min(ttl, seconds(rr.Header().Ttl))
	}
	return ttl
}

// find is the records at a name, or those of the wildcard below its closest encloser (RFC 4592 3.3.1).
func (z *Zone) find(name string) (map[uint16][]dns.RR, bool) {
	if at, ok := z.names[name]; ok {
		return at, true
	}
	for off, end := dns.NextLabel(name, 0); !end; off, end = dns.NextLabel(name, off) {
		if _, ok := z.names[name[off:]]; ok {
			at, ok := z.names["*."+name[off:]]
			return at, ok
		}
	}
	return nil, false
}
