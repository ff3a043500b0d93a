// SPDX-License-Identifier: MIT

package policy

import (
	"context"
	"net/netip"
	"sync"

	"posthouse/dnsbl"
	"posthouse/mail"
)

// Remembered is a Facts for one transaction: what the rules of one recipient asked about client, names and sender is not
// asked again for the next, and every recipient is judged by the same answers, trouble included. What is asked about
// recipients goes through.
func Remembered(f Facts) Facts { return &remembered{Facts: f} }

// maxRemembered bounds the answers of a kind; what comes beyond it is asked each time.
const maxRemembered = 2000

type remembered struct {
	Facts
	mu       sync.Mutex
	resolves map[string]known[bool]
	names    map[netip.Addr]known[[]string]
	addrs    map[string]known[[]netip.Addr]
	servers  map[[2]string]known[[]string]
	listed   map[listedKey]dnsbl.Result
	verified map[mail.Path]error
}

// known is an answer.
type known[T any] struct {
	value T
	err   error
}

// listedKey is a dnsbl.Ask by what it says: zones that are written twice are the same question.
type listedKey struct {
	zone, filter, name string
	addr               netip.Addr
}

// recall answers from a map, or asks and keeps the answer. Nothing is locked while it asks.
func recall[K comparable, T any](mu *sync.Mutex, m *map[K]T, key K, ask func() T) T {
	mu.Lock()
	answer, ok := (*m)[key]
	mu.Unlock()
	if ok {
		return answer
	}
	answer = ask()
	mu.Lock()
	defer mu.Unlock()
	keep(m, key, answer)
	return answer
}

func keep[K comparable, T any](m *map[K]T, key K, answer T) {
	if *m == nil {
		*m = map[K]T{}
	}
	if len(*m) < maxRemembered {
		(*m)[key] = answer
	}
}

func (r *remembered) Resolves(ctx context.Context, domain string) (bool, error) {
	k := recall(&r.mu, &r.resolves, domain, func() (k known[bool]) {
		k.value, k.err = r.Facts.Resolves(ctx, domain)
		return k
	})
	return k.value, k.err
}

func (r *remembered) Names(ctx context.Context, c *mail.Client) ([]string, error) {
	k := recall(&r.mu, &r.names, c.Addr.Addr(), func() (k known[[]string]) {
		k.value, k.err = r.Facts.Names(ctx, c)
		return k
	})
	return k.value, k.err
}

func (r *remembered) Addrs(ctx context.Context, host string) ([]netip.Addr, error) {
	k := recall(&r.mu, &r.addrs, host, func() (k known[[]netip.Addr]) {
		k.value, k.err = r.Facts.Addrs(ctx, host)
		return k
	})
	return k.value, k.err
}

func (r *remembered) Servers(ctx context.Context, kind, domain string) ([]string, error) {
	k := recall(&r.mu, &r.servers, [2]string{kind, domain}, func() (k known[[]string]) {
		k.value, k.err = r.Facts.Servers(ctx, kind, domain)
		return k
	})
	return k.value, k.err
}

func (r *remembered) Verify(ctx context.Context, p mail.Path) error {
	return recall(&r.mu, &r.verified, p, func() error { return r.Facts.Verify(ctx, p) })
}

// Listed asks only what is not known yet.
func (r *remembered) Listed(ctx context.Context, asks []dnsbl.Ask) []dnsbl.Result {
	results := make([]dnsbl.Result, len(asks))
	var missing []dnsbl.Ask
	var at []int
	r.mu.Lock()
	for i, a := range asks {
		result, ok := r.listed[keyOf(a)]
		if results[i] = result; !ok {
			missing, at = append(missing, a), append(at, i)
		}
	}
	r.mu.Unlock()
	if missing == nil {
		return results
	}
	answers := r.Facts.Listed(ctx, missing)
	r.mu.Lock()
	defer r.mu.Unlock()
	for i, a := range missing {
		results[at[i]] = answers[i]
		keep(&r.listed, keyOf(a), answers[i])
	}
	return results
}

func keyOf(a dnsbl.Ask) listedKey {
	return listedKey{a.Zone.Domain, a.Zone.Filter.String(), a.Name, a.Addr}
}
