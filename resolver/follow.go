// SPDX-License-Identifier: MIT

package resolver

import (
	"time"

	"github.com/miekg/dns"
)

// maxChain bounds the CNAMEs followed for one question.
const maxChain = 8

// follow walks the CNAMEs (RFC 1034 3.6.2) of an answer section to the records asked for, and gives the name they stand at
// and the least TTL on the way. Records of other names are not believed.
func follow(q question, answer []dns.RR) (records []dns.RR, name string, ttl time.Duration, err error) {
	name, ttl = q.name, maxTTL
	for range maxChain {
		var next string
		for _, rr := range answer {
			h := rr.Header()
			if h.Class != dns.ClassINET || dns.CanonicalName(h.Name) != name {
				continue
			}
			switch {
			case h.Rrtype == q.rrtype:
				records = append(records, rr)
			case h.Rrtype == dns.TypeCNAME && next == "":
				next = dns.CanonicalName(rr.(*dns.CNAME).Target)
			default:
				continue
			}
			ttl = min(ttl, seconds(h.Ttl))
		}
		if len(records) > 0 || next == "" {
			return records, name, ttl, nil
		}
		name = next
	}
	return nil, name, ttl, errLoop
}
