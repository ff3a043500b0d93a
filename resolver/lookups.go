// SPDX-License-Identifier: MIT

package resolver

import (
	"context"
	"fmt"
	"net/netip"
	"strings"

	"github.com/miekg/dns"
)

// lookups makes a Resolver of whatever can answer a question.
type lookups struct {
	ask func(ctx context.Context, q question) (Answer, error)
}

// Ask looks up records of any type.
func (l lookups) Ask(ctx context.Context, name string, rrtype uint16) (Answer, error) {
	q, err := newQuestion(name, rrtype)
	if err != nil {
		return Answer{}, err
	}
	return l.ask(ctx, q)
}

// MX looks up the mail exchangers of a domain, in the order of the answer.
func (l lookups) MX(ctx context.Context, domain string) ([]MX, error) {
	return collect(ctx, l, domain, dns.TypeMX, func(rr *dns.MX) (MX, bool) {
		return MX{rr.Preference, hostname(rr.Mx)}, true
	})
}

// TXT looks up texts.
func (l lookups) TXT(ctx context.Context, name string) ([]string, error) {
	return collect(ctx, l, name, dns.TypeTXT, func(rr *dns.TXT) (string, bool) {
		return unescape(strings.Join(rr.Txt, "")), true
	})
}

// PTR looks up the names of an address.
func (l lookups) PTR(ctx context.Context, addr netip.Addr) ([]string, error) {
	name, err := dns.ReverseAddr(addr.Unmap().WithZone("").String())
	if err != nil {
		return nil, fmt.Errorf("look up the name of %q: %w: %w", addr, ErrNotFound, err)
	}
	return collect(ctx, l, name, dns.TypePTR, func(rr *dns.PTR) (string, bool) {
		return hostname(rr.Ptr), true
	})
}

// Addrs looks up both kinds of addresses at once. One kind is enough: a server that fails for AAAA alone must not stop mail.
func (l lookups) Addrs(ctx context.Context, host string) ([]netip.Addr, error) {
	type half struct {
		addrs []netip.Addr
		err   error
	}
	other := make(chan half, 1)
	go func() {
		var six half
		defer func() {
			if p := recover(); p != nil {
				six = half{err: fmt.Errorf("look up AAAA of %s: panic: %v", host, p)}
			}
			other <- six
		}()
		six.addrs, six.err = l.aaaa(ctx, host)
	}()
	four, err := l.a(ctx, host)
	six := <-other
	if addrs := append(six.addrs, four...); len(addrs) > 0 {
		return addrs, nil
	}
	return nil, worse(err, six.err)
}

func (l lookups) a(ctx context.Context, host string) ([]netip.Addr, error) {
	return collect(ctx, l, host, dns.TypeA, func(rr *dns.A) (netip.Addr, bool) {
		a, ok := netip.AddrFromSlice(rr.A)
		return a.Unmap(), ok
	})
}

func (l lookups) aaaa(ctx context.Context, host string) ([]netip.Addr, error) {
	return collect(ctx, l, host, dns.TypeAAAA, func(rr *dns.AAAA) (netip.Addr, bool) {
		a, ok := netip.AddrFromSlice(rr.AAAA)
		return a.Unmap(), ok
	})
}

// worse picks the error that promises least: temporary before NODATA before NXDOMAIN.
func worse(a, b error) error {
	switch {
	case Temporary(a):
		return a
	case Temporary(b), NoData(b):
		return b
	}
	return a
}

// collect asks and converts the records; those of another type (a broken server's) are skipped.
func collect[R dns.RR, T any](ctx context.Context, l lookups, name string, rrtype uint16, convert func(R) (T, bool)) ([]T, error) {
	answer, err := l.Ask(ctx, name, rrtype)
	if err != nil {
		return nil, err
	}
	out := make([]T, 0, len(answer.Records))
	for _, rr := range answer.Records {
		if r, ok := rr.(R); ok {
			if v, ok := convert(r); ok {
				out = append(out, v)
			}
		}
	}
	if len(out) == 0 {
		return nil, question{dns.CanonicalName(name), rrtype}.fail(ErrNoData)
	}
	return out, nil
}

// hostname is a name of the answer as we pass it on.
func hostname(name string) string {
	return strings.TrimSuffix(dns.CanonicalName(name), ".")
}

// unescape takes back the \DDD and \X of the presentation format, in which the library keeps texts.
func unescape(s string) string {
	if !strings.Contains(s, `\`) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] != '\\' || i+1 == len(s) {
			b.WriteByte(s[i])
			continue
		}
		if n, ok := decimal(s[i+1:]); ok {
			b.WriteByte(n)
			i += 3
			continue
		}
		i++
		b.WriteByte(s[i])
	}
	return b.String()
}

func decimal(s string) (byte, bool) {
	if len(s) < 3 {
		return 0, false
	}
	n := 0
	for _, c := range []byte(s[:3]) {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = n*10 + int(c-'0')
	}
	return byte(n), n < 256
}
