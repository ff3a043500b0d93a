// SPDX-License-Identifier: MIT

package resolver

import (
	"context"

	"github.com/miekg/dns"
)

// NS are the name servers that stand at a domain itself, lower-case without the final dot. Errors are those of a Resolver.
func NS(ctx context.Context, r Resolver, domain string) ([]string, error) {
	answer, err := r.Ask(ctx, domain, dns.TypeNS)
	if err != nil {
		return nil, err
	}
	var hosts []string
	for _, record := range answer.Records {
		if ns, ok := record.(*dns.NS); ok {
			name := dns.CanonicalName(ns.Ns)
			hosts = append(hosts, name[:len(name)-1])
		}
	}
	return hosts, nil
}
